import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { arrange } from "#test/support/mcp/supervised.ts";
import { RULES } from "./offences.ts";

/** The probe of a server that was given up must not come while a test looks. */
const noProbe = { probe: { backoffMs: 60_000, factor: 1, maxMs: 60_000, jitter: 0 } };
const never = AbortSignal.timeout(60_000);

describe("at the same moment", () => {
  test("a restart under many waiting calls is one start: there are no more attempts than a server is given", async () => {
    const w = arrange({ timings: noProbe });
    w.outside.connects = "never";
    void w.start();
    await w.reaches("STARTING");
    const calls = Array.from({ length: 50 }, () =>
      w.server.acquire({ signal: never }).then(String, (error: { code: string }) => error.code),
    );
    w.outside.connects = "fails";
    w.launched.length = 0;
    await w.server.restart().catch(() => {});
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["mcp_server_not_ready"]));
    await pause(20);
    expect([w.server.record.state, w.launched.length]).toEqual(["FAILED", 3]);
    await w.server.close();
  });

  test("a server that is taken out and released while an attempt ends is started again", async () => {
    const w = arrange();
    w.outside.connects = "never";
    void w.start();
    await w.reaches("STARTING");
    w.outside.connects = "at once";
    await Promise.all([w.quarantine(), w.release()]);
    await w.reaches("READY");
    await w.server.close();
  });

  test("a start that a stop overtakes says so, wherever it was", async () => {
    const w = arrange();
    for (let turns = 0; turns < 12; turns += 1) {
      const started = w.server.start().then(String, (error: unknown) => error);
      for (let i = 0; i < turns; i += 1) await Promise.resolve();
      await w.server.stop();
      const outcome = await started;
      if (outcome !== "undefined") expect(outcome).toMatchObject({ code: "mcp_server_not_ready", retryable: true });
      expect([w.server.record.state, w.open.size]).toEqual(["STOPPED", 0]);
    }
  });

  test("a start of a server that was lost a moment ago starts it", async () => {
    const w = arrange();
    const { promise, resolve } = Promise.withResolvers<void>();
    w.outside.saving = promise;
    const first = w.server.start();
    await w.reaches("STARTING");
    const second = w.server.start();
    resolve();
    w.outside.saving = new Promise((stored) => setTimeout(stored, 20));
    await w.reaches("READY");
    w.lose();
    await Promise.all([first, second]);
    await w.reaches("READY");
    expect(w.open.size).toBe(1);
    await w.server.close();
  });

  test("a restart of a server that was released a moment ago starts it", async () => {
    const w = arrange();
    await w.start();
    w.outside.saving = new Promise((stored) => setTimeout(stored, 20));
    const taken = w.quarantine();
    await w.reaches("QUARANTINED");
    const restarted = w.server.restart();
    await Promise.all([w.release(), taken, restarted]);
    await w.reaches("READY");
    await w.server.close();
  });

  test("no session is opened on a server that has just been stopped", async () => {
    const w = arrange({ sharing: { mode: "session", sessions: 4 } });
    await w.start();
    const stopped = w.server.stop();
    const call = w.server.acquire({ sessionKey: "a", signal: never });
    await expect(call).rejects.toMatchObject({ code: "mcp_server_not_ready" });
    await stopped;
    await pause(5);
    expect([w.server.record.state, w.open.size, w.launched.length]).toEqual(["STOPPED", 0, 1]);
  });

  test("a stop waits for what ends already because it was lost", async () => {
    const w = arrange({ sharing: { mode: "session", sessions: 4 } });
    await w.start();
    const { connection } = await w.server.acquire({ sessionKey: "a", signal: never });
    const { promise, resolve } = Promise.withResolvers<void>();
    w.outside.closing = promise;
    w.lose([...w.open].find((one) => one === connection));
    await pause(1);
    w.outside.closing = undefined;
    const stopped = w.server.stop().then(() => w.open.size);
    await pause(5);
    resolve();
    expect(await stopped).toBe(0);
  });
});

test("a session ends by being idle, also when its server has failed", async () => {
  const timings = { ...noProbe, quickFailures: 1, poolSessionIdleMs: 30 };
  const w = arrange({ timings, sharing: { mode: "session", sessions: 4 } });
  await w.start();
  const [first] = w.open;
  const lease = await w.server.acquire({ sessionKey: "a", signal: never });
  lease.release();
  w.lose(first);
  await w.reaches("FAILED");
  expect(w.open.size).toBe(1);
  await vi.waitFor(() => expect(w.open.size).toBe(0), { interval: 5, timeout: 5_000 });
});

test("nothing of a server runs once it is taken out, also when it has failed and sessions of it still answer", async () => {
  const w = arrange({ timings: { ...noProbe, quickFailures: 1 }, sharing: { mode: "session", sessions: 4 } });
  await w.start();
  const [first] = w.open;
  await w.server.acquire({ sessionKey: "a", signal: never });
  w.lose(first);
  await w.reaches("FAILED");
  expect(w.open.size).toBe(1);
  await w.quarantine();
  expect([w.server.record.state, w.open.size]).toEqual(["QUARANTINED", 0]);
});

describe("while the database is gone", () => {
  test("a server that cannot be started because of that is not given up, and starts when it is back", async () => {
    const w = arrange({ timings: noProbe });
    await w.start();
    w.outside.isStored = false;
    w.lose();
    await vi.waitFor(() => expect(w.states.filter((state) => state === "STARTING").length).toBeGreaterThan(10), { interval: 1 });
    expect(w.server.record.lastError).toMatchObject({ code: "database_unavailable" });
    w.outside.isStored = true;
    await w.reaches("READY");
    expect(w.states).not.toContain("FAILED");
    await w.server.close();
  });

  test("sessions that cannot be opened because of that are no fault of the server", async () => {
    const w = arrange({ launch: { transport: "stdio", command: "x", args: [], env: {} }, sharing: { mode: "session", sessions: 4 } });
    await w.start();
    w.outside.isStored = false;
    for (let i = 0; i < RULES.spawn_storm.most; i += 1)
      await expect(w.server.acquire({ sessionKey: `${i}`, signal: never })).rejects.toMatchObject({ code: "database_unavailable" });
    expect(w.server.record).toMatchObject({ state: "READY", quarantine: null });
    await w.server.close();
  });

  test("a list that cannot be stored is no failed check; it is stored when the database is back", async () => {
    const w = arrange({ timings: { listEveryMs: 2 } });
    await w.start();
    const [first] = w.open;
    w.outside.isStored = false;
    w.outside.tools = [{ name: "added", inputSchema: { type: "object" } }];
    for (let i = 0; i < 5; i += 1) await w.server.refresh();
    expect([...w.open]).toEqual([first]);
    expect(w.states).not.toContain("DEGRADED");
    w.outside.isStored = true;
    await vi.waitFor(() => expect(w.server.catalogue.tool("added")).toBeDefined(), { interval: 1 });
    await w.server.close();
  });
});

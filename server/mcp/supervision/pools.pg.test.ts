import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ROUTES as routes } from "#contract/routes.ts";
import type { Sharing } from "#contract/mcp/settings.ts";
import type { McpServer } from "#contract/mcp/servers.ts";
import { newId } from "#server/kernel/ids.ts";
import { eventually } from "#test/support/eventually.ts";
import { changingServer, plainTool } from "#test/support/mcp/changing.ts";
import { busy, mcpPlatforms, processesOf, settled, stepCall, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

const register = (p: McpPlatform, sharing: Sharing, ...modes: string[]): Promise<McpServer> =>
  p.call(routes.createMcpServer, { body: { name: `s-${newId().slice(-12)}`, launch: busy(...modes), settings: { sharing } } });

type Use = { tool?: string; args?: Record<string, number>; runId?: string };
const use = async (p: McpPlatform, { name }: McpServer, { tool = "work", args = {}, runId = newId() }: Use = {}): Promise<string> => {
  const step = { runId, scope: "", nodeId: "call", attempt: 1 };
  const answer = await p.mcp.executeTool.run(stepCall(db, { server: name, tool, arguments: args }, { step, timeoutMs: 20_000 }));
  return z.object({ text: z.string() }).parse(answer).text;
};
const processCount = (server: McpServer, count: number): Promise<number[]> =>
  eventually(
    () => processesOf(server.id),
    ({ length }) => length === count,
  );

describe("a shared server", () => {
  test("has one process for any number of calls", async () => {
    const p = await platforms.open();
    const server = await register(p, { mode: "shared" });
    const pids = await Promise.all(Array.from({ length: 20 }, () => use(p, server, { args: { ms: 50 } })));
    expect(new Set(pids)).toEqual(new Set([String(server.pid)]));
  });
});

describe("a pooled server", () => {
  const pooled = { mode: "pooled", processes: 3 } as const;

  /** A short call that was answered by a process that is none of these. */
  const byAnother = (p: McpPlatform, server: McpServer, pids: readonly (string | null)[]): Promise<string> =>
    eventually(
      () => use(p, server),
      (pid) => !pids.includes(pid),
    );

  test("gets more processes when all are busy, each call goes to the least busy, and idle ones end", async () => {
    const p = await platforms.open({ timings: { poolIdleMs: 400 } });
    const server = await register(p, pooled);
    const first = String(server.pid);
    expect([await use(p, server), await use(p, server)]).toEqual([first, first]);
    expect(await processesOf(server.id)).toHaveLength(1);
    const onFirst = [use(p, server, { args: { ms: 5_000 } }), use(p, server, { args: { ms: 5_000 } })];
    const second = await byAnother(p, server, [first]);
    const onSecond = use(p, server, { args: { ms: 4_000 } });
    const third = await byAnother(p, server, [first, second]);
    expect(await processesOf(server.id)).toHaveLength(3);
    const onThird = use(p, server, { args: { ms: 1_000 } });
    // All are busy, and there may be no more: the next ones go where the fewest are.
    expect(await Promise.all([use(p, server), onThird, onSecond, ...onFirst])).toEqual([
      expect.not.stringMatching(first),
      third,
      second,
      first,
      first,
    ]);
    expect(await processCount(server, 1)).toEqual([server.pid]);
  });

  test("goes on when one of its processes dies, whichever it is", async () => {
    const p = await platforms.open();
    const server = await register(p, pooled);
    const calls = Promise.allSettled([use(p, server, { args: { ms: 5_000 } }), use(p, server, { args: { ms: 5_000 } })]);
    const other = await byAnother(p, server, [String(server.pid)]);
    const onOther = use(p, server, { args: { ms: 1_000 } });
    process.kill(server.pid ?? 0, "SIGKILL");
    expect((await calls).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await onOther).toBe(other);
    const after = await settled(p, server.id, "READY");
    expect(after).toMatchObject({ pid: Number(other), restarts: 1 });
    const states = p.published.flatMap((event) => (event.type === "mcp_server" ? [event.state] : []));
    expect(new Set(states)).toEqual(new Set(["STARTING", "READY"]));
    expect(states.filter((state) => state === "STARTING")).toHaveLength(1);
  });

  test("whose processes list different definitions is taken out", async () => {
    const p = await platforms.open();
    const server = await register(p, pooled, "differs");
    const calls = Promise.allSettled([use(p, server, { args: { ms: 700 } }), use(p, server, { args: { ms: 700 } })]);
    const out = await settled(p, server.id, "QUARANTINED");
    expect(out.quarantine).toMatchObject({ by: "system:mcp", reason: "Its connections list different definitions of: work." });
    expect(await processesOf(server.id)).toEqual([]);
    await calls;
    await expect(use(p, server)).rejects.toMatchObject({ code: "mcp_server_quarantined" });
  });
});

describe("a server with a connection for each session", () => {
  const session = { mode: "session", sessions: 2 } as const;

  test("whose tools change in all of them is not taken out: its tools wait for a decision", async () => {
    const p = await platforms.open();
    const changing = await changingServer({ tools: [plainTool()] });
    const body = { name: `s-${newId().slice(-12)}`, launch: changing.launch, settings: { sharing: session } };
    const server = await p.call(routes.createMcpServer, { body });
    const runs = [newId(), newId()] as const;
    await Promise.all(runs.map((runId) => use(p, server, { tool: "add", runId })));
    await changing.says({ tools: [plainTool({ description: "Adds them all." })] });
    const changed = await eventually(
      () => toolNamed(p, server.id, "add"),
      ({ approval }) => approval === "changed",
    );
    await expect(use(p, server, { tool: "add", runId: runs[0] })).rejects.toMatchObject({ code: "tool_changed" });
    await p.call(routes.approveTool, { params: { id: changed.id }, body: { hash: changed.hash } });
    expect(await use(p, server, { tool: "add", runId: runs[0] })).toBe("add");
    expect((await p.call(routes.getMcpServer, { params: { id: server.id } })).quarantine).toBeNull();
    await changing.remove();
  });

  test("keeps what belongs to a run within it, until the run ends", async () => {
    const p = await platforms.open();
    const server = await register(p, session);
    const [a, b] = [newId(), newId()];
    const count = (runId: string): Promise<string> => use(p, server, { tool: "count", runId });
    expect(await Promise.all([count(a), count(b)])).toEqual(["1", "1"]);
    expect([await count(a), await count(a), await count(b)]).toEqual(["2", "3", "2"]);
    expect(await processesOf(server.id)).toHaveLength(3);
    p.live.publish(db.tenantId, { type: "run", runId: a, workflowId: newId(), status: "succeeded", seq: 9 });
    await processCount(server, 2);
    expect([await count(a), await count(b)]).toEqual(["1", "3"]);
  });

  test("ends the longest idle session for a new one, and says so when none is idle", async () => {
    const p = await platforms.open();
    const server = await register(p, session);
    const first = await use(p, server, { runId: "1" });
    const second = await use(p, server, { runId: "2" });
    expect(await use(p, server, { runId: "1" })).toBe(first);
    await use(p, server, { runId: "3" });
    expect(await processesOf(server.id)).toHaveLength(3);
    expect(await processesOf(server.id)).not.toContain(Number(second));
    const busyOnes = ["1", "3"].map((runId) => use(p, server, { runId, args: { ms: 800 } }));
    await expect(use(p, server, { runId: "4" })).rejects.toMatchObject({ code: "mcp_sessions_full", retryable: true });
    expect(await Promise.all(busyOnes)).toHaveLength(2);
  });

  test("one session's end hurts no other, and idle ones end after a while", async () => {
    const p = await platforms.open({ timings: { poolSessionIdleMs: 900 } });
    const server = await register(p, session);
    const kept = use(p, server, { runId: "kept", args: { ms: 600 } });
    await expect(use(p, server, { runId: "lost", tool: "crash" })).rejects.toMatchObject({ code: "mcp_exited" });
    expect(await use(p, server, { runId: "kept" })).toBe(await kept);
    process.kill(server.pid ?? 0, "SIGKILL");
    expect(await use(p, server, { runId: "kept" })).toBe(await kept);
    await settled(p, server.id, "READY");
    await processCount(server, 1);
  });

  test("a caller outside of runs has a session of its own, and a stop ends all of them", async () => {
    const p = await platforms.open();
    const server = await register(p, session);
    const { id } = await toolNamed(p, server.id, "count");
    const call = (): Promise<{ text: string }> => p.call(routes.callTool, { params: { id }, body: {} });
    expect([(await call()).text, (await call()).text]).toEqual(["1", "2"]);
    expect(await use(p, server, { tool: "count" })).toBe("1");
    await p.call(routes.stopMcpServer, { params: { id: server.id } });
    expect(await processesOf(server.id)).toEqual([]);
  });
});

test("a change of the setting reaches the servers that run, in every process", async () => {
  const shared = { isShared: true, timings: { followMs: 50, poolIdleMs: 600_000 } };
  const [api, worker] = [await platforms.open({ ...shared, onDemand: true }), await platforms.open(shared)];
  await Promise.all([api.mcp.start(), worker.mcp.start()]);
  const server = await register(api, { mode: "shared" });
  // One for each process of the platform; counted when both answer, as what starts a server may be several processes for a moment.
  await use(worker, server);
  const before = await processCount(server, 2);
  const set = (sharing: Sharing): Promise<McpServer> =>
    api.call(routes.updateMcpServer, { params: { id: server.id }, body: { settings: { sharing } } });
  await set({ mode: "session", sessions: 4 });
  await eventually(
    () => use(worker, server, { runId: "a" }),
    (pid) => !before.includes(Number(pid)),
  );
  const [a, b] = [await use(worker, server, { runId: "a" }), await use(worker, server, { runId: "b" })];
  expect(a).not.toBe(b);
  await set({ mode: "shared" });
  expect(new Set(await processCount(server, 2))).toEqual(new Set(before));
  expect(before).toContain(Number(await use(worker, server, { runId: "a" })));
});

test("sharing is bounded", async () => {
  const p = await platforms.open();
  for (const sharing of [
    { mode: "pooled", processes: 17 },
    { mode: "pooled", processes: 1 },
    { mode: "session", sessions: 65 },
  ] as const) {
    await expect(register(p, sharing)).rejects.toThrow();
  }
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { eventually } from "#test/support/eventually.ts";
import {
  busy,
  callerOf,
  hostile,
  mcpPlatforms,
  processesOf,
  register,
  settled,
  stepCall,
  toolNamed,
  type McpPlatform,
} from "#test/support/mcp/platform.ts";
import { runaway } from "#test/support/mcp/runaway.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

const work = (p: McpPlatform, server: string, ms = 0): Promise<unknown> =>
  p.mcp.executeTool.run(stepCall(db, { server, tool: "work", arguments: { ms } }, { timeoutMs: 20_000 }));
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "",
    (error: { code: string }) => error.code,
  );
const startsOf = (p: McpPlatform, serverId: string): number =>
  p.audited.filter(({ action, target }) => action === "mcp_process.starting" && target === `mcp_server:${serverId}`).length;

describe("a server that was given up", () => {
  test("is tried once more after a while, less and less often, and comes back when it can", async () => {
    const probe = { backoffMs: 400, factor: 5, maxMs: 60_000, jitter: 0 };
    const folder = await mkdtemp(join(tmpdir(), "auterity-probe-"));
    const p = await platforms.open({ timings: { probe, quickFailures: 2 } });
    const server = await register(p, { ...busy("breaks"), cwd: folder });
    await codeOf(p.mcp.executeTool.run(stepCall(db, { server: server.name, tool: "crash" })));
    const failed = await settled(p, server.id, "FAILED");
    expect(failed).toMatchObject({ lastError: { code: "mcp_exited" }, toolCount: server.toolCount });
    expect(Date.parse(failed.nextAttemptAt ?? "") - Date.now()).toBeGreaterThan(0);
    expect(await codeOf(work(p, server.name))).toBe("mcp_server_not_ready");
    const before = startsOf(p, server.id);
    const again = await eventually(
      () => p.call(routes.getMcpServer, { params: { id: server.id } }),
      ({ state, nextAttemptAt }) => state === "FAILED" && nextAttemptAt !== failed.nextAttemptAt,
    );
    // One probe, which is one process, and now the next one is much later.
    expect(startsOf(p, server.id)).toBe(before + 1);
    expect(Date.parse(again.nextAttemptAt ?? "") - Date.now()).toBeGreaterThan(1_000);
    await rm(join(folder, "crashed"));
    expect(await settled(p, server.id, "READY")).toMatchObject({ lastError: null, nextAttemptAt: null });
    expect(await work(p, server.name)).toMatchObject({ isError: false });
    await rm(folder, { recursive: true });
  });

  test("is left to a person where only a person can help", async () => {
    const p = await platforms.open({ timings: { probe: { backoffMs: 50, factor: 1, maxMs: 50, jitter: 0 } } });
    const server = await register(p, { ...busy(), command: "no-such-command-here" });
    expect(server).toMatchObject({ state: "FAILED", nextAttemptAt: null });
    await pause(300);
    expect(await p.call(routes.getMcpServer, { params: { id: server.id } })).toMatchObject({ state: "FAILED", nextAttemptAt: null });
  });
});

describe("quarantine by a person", () => {
  test("ends what runs, refuses calls and starts with its reason, and is over with a release", async () => {
    const p = await platforms.open();
    const server = await register(p, busy());
    const params = { id: server.id };
    const open = codeOf(work(p, server.name, 10_000));
    const out = await p.call(routes.quarantineMcpServer, { params, body: { reason: "It sends data elsewhere." } });
    expect(out).toMatchObject({ state: "QUARANTINED", pid: null, desired: "running", toolCount: server.toolCount });
    expect(out.quarantine).toMatchObject({ reason: "It sends data elsewhere.", by: "user:owner" });
    expect(await processesOf(server.id)).toEqual([]);
    expect(await open).toBe("mcp_exited");
    await expect(work(p, server.name)).rejects.toMatchObject({
      code: "mcp_server_quarantined",
      retryable: false,
      message: expect.stringContaining("It sends data elsewhere."),
      remedy: expect.stringContaining("/release"),
    });
    await expect(p.call(routes.restartMcpServer, { params })).rejects.toMatchObject({ code: "mcp_server_quarantined" });
    await expect(p.call(routes.quarantineMcpServer, { params, body: { reason: "x" } })).rejects.toMatchObject({ code: "conflict" });
    expect(await p.call(routes.stopMcpServer, { params })).toMatchObject({ state: "QUARANTINED", desired: "stopped" });
    expect(await p.call(routes.releaseMcpServer, { params })).toMatchObject({ state: "STOPPED", quarantine: null, lastError: null });
    await expect(p.call(routes.releaseMcpServer, { params })).rejects.toMatchObject({ code: "conflict" });
    expect(await p.call(routes.startMcpServer, { params })).toMatchObject({ state: "READY" });
    expect(
      p.audited.flatMap(({ action, actor, reason }) => (/quarantined|released/.test(action) ? [{ action, actor, reason }] : [])),
    ).toEqual([
      { action: "mcp_server.quarantined", actor: "user:owner", reason: "It sends data elsewhere." },
      { action: "mcp_server.released", actor: "user:owner", reason: undefined },
    ]);
  });

  test("survives a restart of the platform, and another tenant sees no server", async () => {
    const first = await platforms.open();
    const server = await register(first, busy());
    const params = { id: server.id };
    const other = callerOf(await db.secondTenant(), "owner");
    await expect(first.call(routes.quarantineMcpServer, { params, body: { reason: "x" } }, other)).rejects.toMatchObject({
      code: "not_found",
    });
    await first.call(routes.quarantineMcpServer, { params, body: { reason: "Under review." } });
    await first.mcp.stop();
    const second = await platforms.open();
    await second.mcp.start();
    await pause(200);
    expect(await second.call(routes.getMcpServer, { params })).toMatchObject({
      state: "QUARANTINED",
      quarantine: { reason: "Under review." },
    });
    expect(await codeOf(work(second, server.name))).toBe("mcp_server_quarantined");
    expect(await processesOf(server.id)).toEqual([]);
    expect(await second.call(routes.releaseMcpServer, { params })).toMatchObject({ state: "READY" });
  });

  test("reaches every process of the cluster, and so does the release", async () => {
    const shared = { isShared: true, timings: { followMs: 50 } };
    const [api, worker] = [await platforms.open({ ...shared, onDemand: true }), await platforms.open(shared)];
    await Promise.all([api.mcp.start(), worker.mcp.start()]);
    const server = await register(api, busy());
    const count = (expected: number): Promise<number[]> =>
      eventually(
        () => processesOf(server.id),
        ({ length }) => length === expected,
      );
    await count(2);
    await api.call(routes.quarantineMcpServer, { params: { id: server.id }, body: { reason: "Under review." } });
    await count(0);
    expect(
      await eventually(
        () => codeOf(work(worker, server.name)),
        (code) => code !== "",
      ),
    ).toBe("mcp_server_quarantined");
    await worker.call(routes.releaseMcpServer, { params: { id: server.id } });
    expect(
      await eventually(
        () => codeOf(work(worker, server.name)),
        (code) => code === "",
      ),
    ).toBe("");
    const tool = await toolNamed(api, server.id, "work");
    const call = (): Promise<unknown> => api.call(routes.callTool, { params: { id: tool.id }, body: {} });
    await eventually(
      () => codeOf(call()),
      (code) => code === "",
    );
  });
});

describe("quarantine by rule", () => {
  test("a server that breaks the protocol again and again is taken out, everywhere", async () => {
    const shared = { isShared: true, timings: { followMs: 50 } };
    const [one, two] = [await platforms.open(shared), await platforms.open(shared)];
    await Promise.all([one.mcp.start(), two.mcp.start()]);
    const server = await register(one, hostile());
    const { id } = await toolNamed(one, server.id, "huge");
    for (let i = 0; i < 3; i += 1) await codeOf(one.call(routes.callTool, { params: { id }, body: {} }));
    const out = await settled(one, server.id, "QUARANTINED");
    expect(out.quarantine).toMatchObject({ by: "system:mcp", reason: "It has broken the protocol again and again." });
    await eventually(
      () => processesOf(server.id),
      ({ length }) => length === 0,
    );
    const step = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    expect(await codeOf(two.mcp.executeTool.run(step))).toBe("mcp_server_quarantined");
    expect(one.audited.concat(two.audited).filter(({ action }) => action === "mcp_server.quarantined")).toMatchObject([
      { actor: "system:mcp", reason: "It has broken the protocol again and again." },
    ]);
  });
});

test("a server that goes over its limits again and again is taken out", async () => {
  const restart = { backoffMs: 10, factor: 1, maxMs: 10, jitter: 0 };
  const p = await platforms.open({ timings: { quickFailures: 100, watchMs: 50, restart } });
  const { launch, kill } = runaway("allocates", { caps: { memoryBytes: 200 * 1024 * 1024 } });
  try {
    const { id } = await register(p, launch);
    const out = await settled(p, id, "QUARANTINED");
    expect(out.quarantine).toMatchObject({ by: "system:mcp", reason: "It has gone over its limits again and again." });
  } finally {
    await kill();
  }
});

describe("health", () => {
  test("is checked again and again, with latencies, and tells nothing before", async () => {
    const p = await platforms.open({ timings: { checkEveryMs: 50 } });
    const server = await register(p, busy());
    expect(server.health).toBeNull();
    await work(p, server.name, 30);
    const { health } = await eventually(
      () => p.call(routes.getMcpServer, { params: { id: server.id } }),
      (view) => view.health !== null && view.health.p95Ms !== null && view.health.p95Ms >= 30,
    );
    expect(health).toMatchObject({ failedChecks: 0, latencyMs: expect.any(Number), p50Ms: expect.any(Number) });
    expect(health?.p50Ms ?? 0).toBeLessThanOrEqual(health?.p95Ms ?? 0);
  });

  test("a process that is stopped is found and replaced; what it was asked fails, and can be asked again", async () => {
    const p = await platforms.open({ timings: { checkEveryMs: 200, checkTimeoutMs: 200, recheckMs: 50 } });
    const server = await register(p, busy());
    const open = p.mcp.executeTool.run(
      stepCall(db, { server: server.name, tool: "work", arguments: { ms: 60_000 } }, { timeoutMs: 60_000, effect: "none" }),
    );
    const failed = open.catch((error: unknown) => error);
    process.kill(server.pid ?? 0, "SIGSTOP");
    const began = performance.now();
    expect(await failed).toMatchObject({ retryable: true });
    expect(performance.now() - began).toBeLessThan(5_000);
    const after = await settled(p, server.id, "READY");
    expect(after).toMatchObject({ restarts: 1, health: { failedChecks: expect.any(Number) } });
    expect(await processesOf(server.id)).toEqual([after.pid]);
    expect(await work(p, server.name)).toMatchObject({ text: String(after.pid) });
    const { items } = await p.call(routes.listServerLogs, { params: { id: server.id } });
    expect(items.map(({ text }) => text)).toEqual(expect.arrayContaining([expect.stringContaining("did not answer in time"), "DEGRADED"]));
  });
});

test("a server that sends a million notifications is listed at most a few times a second, and blocks nobody", async () => {
  const p = await platforms.open({ timings: { listChangedDebounceMs: 200 } });
  const [stormy, calm] = [await register(p, busy()), await register(p, busy())];
  const { id } = await toolNamed(p, stormy.id, "storm");
  const before = process.memoryUsage().rss;
  await p.call(routes.callTool, { params: { id }, body: {} });
  const lists = (): number =>
    p.recorded.filter(({ method, kind, to }) => method === "tools/list" && kind === "request" && to.endsWith(stormy.name)).length;
  const began = performance.now();
  const listed = lists();
  let slowest = 0;
  const isOver = async (): Promise<boolean> => {
    await p.call(routes.listServerLogs, { params: { id: stormy.id } });
    const { rows } = await db.ownerPool.query("select 1 from mcp_server_logs where server_id = $1 and text = 'the storm is over'", [
      stormy.id,
    ]);
    return rows.length > 0;
  };
  while (!(await isOver())) {
    const asked = performance.now();
    await work(p, calm.name);
    slowest = Math.max(slowest, performance.now() - asked);
    await pause(50);
  }
  const seconds = (performance.now() - began) / 1_000;
  expect(lists() - listed).toBeLessThanOrEqual(5 * seconds + 2);
  expect(slowest).toBeLessThan(1_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  expect(await settled(p, stormy.id, "READY")).toMatchObject({ restarts: 0 });
});

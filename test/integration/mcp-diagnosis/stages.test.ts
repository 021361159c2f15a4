import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Launch } from "#contract/mcp/servers.ts";
import { ROUTES as routes } from "#contract/routes.ts";
import { diagnosisPlatform, type DiagnosisPlatform } from "#test/support/mcp/diagnosis.ts";
import { everythingServer } from "#test/support/mcp/everything.ts";
import { modernHttpServer, type HttpFixture } from "#test/support/mcp/modern-server.ts";
import { callerOf, hostile, published, register, toolNamed } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

const MODERN = fileURLToPath(new URL("../../support/mcp/modern-server.ts", import.meta.url));
const modern: Launch = { transport: "stdio", command: process.execPath, args: [MODERN], env: {} };

let db: TestDatabase;
let p: DiagnosisPlatform;
const fixtures: HttpFixture[] = [];
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
  await p.close();
});
afterAll(() => db.close());

async function serve(server: Promise<HttpFixture>): Promise<string> {
  const started = await server;
  fixtures.push(started);
  return started.url;
}
const http = async (server: Promise<HttpFixture>, type?: "sse" | "streamable-http"): Promise<Launch> => ({
  transport: "http",
  url: await serve(server),
  headers: {},
  ...(type && { type }),
});

describe("a server that works passes all stages", () => {
  test.each([
    ["stdio, 2025", () => published("everything"), "legacy", "2025-11-25"],
    ["stdio, 2026", () => modern, "modern", "2026-07-28"],
    ["Streamable HTTP, 2025", () => http(everythingServer("streamableHttp")), "legacy", "2025-11-25"],
    ["Streamable HTTP, 2026", () => http(modernHttpServer()), "modern", "2026-07-28"],
    ["HTTP with SSE, as it says", () => http(everythingServer("sse"), "sse"), "legacy", "2025-11-25"],
    ["HTTP with SSE, found out", () => http(everythingServer("sse")), "legacy", "2025-11-25"],
    ["a server without ping", () => hostile("no-ping"), "legacy", "2025-11-25"],
  ] as const)("%s", async (_name, launch, era, protocolVersion) => {
    p = await diagnosisPlatform(db);
    const report = await p.call(routes.testMcpLaunch, { body: { launch: await launch() } });
    expect(report.failure).toBeNull();
    expect(report).toMatchObject({ ok: true, era, protocolVersion, findings: [], serverInfo: { name: expect.any(String) } });
    expect(report.capabilities).toHaveProperty("tools");
    expect(report.toolCount).toBeGreaterThan(0);
    expect(report.stages.map(({ stage }) => stage).slice(1)).toEqual(["handshake", "list", "ping", "sample_call"]);
    // What says that it only reads is called; the others are not, unless named.
    const called = report.tools.some(({ readOnly }) => readOnly) ? "ok" : "skipped";
    expect(report.stages.map(({ status }) => status)).toEqual(["ok", "ok", "ok", "ok", called]);
    expect(report.stages.reduce((sum, { ms }) => sum + ms, 0)).toBeLessThanOrEqual(report.ms + 5);
    expect(await p.left()).toEqual([]);
  });
});

describe("the sample call", () => {
  const sampleStage = async (body: object) => {
    const report = await p.call(routes.testMcpLaunch, { body: { launch: hostile(), ...body } });
    return { ...report.stages.at(-1), failure: report.failure?.code };
  };
  test("calls the named tool with the given arguments or a sample, and tells when it fails", async () => {
    p = await diagnosisPlatform(db);
    expect(await sampleStage({ tool: "add", arguments: { a: 1, b: 2 } })).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("add"),
    });
    expect(await sampleStage({ tool: "fail" })).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("refused the generated sample"),
    });
    expect(await sampleStage({ tool: "fail", arguments: {} })).toMatchObject({ status: "failed", failure: "tool_failed" });
    expect(await sampleStage({ tool: "none" })).toMatchObject({ status: "failed", failure: "mcp_tool_unknown" });
  });

  test("fails for a named tool that is not approved as it is listed, and leaves others out that are not", async () => {
    p = await diagnosisPlatform(db);
    const server = await register(p, hostile());
    const add = await toolNamed(p, server.id, "add");
    const change = await toolNamed(p, server.id, "change");
    await p.call(routes.callTool, { params: { id: change.id }, body: {} });
    // A process of its own lists what the first one listed at its start.
    const fresh = await p.call(routes.testMcpServer, { params: { id: server.id }, body: { tool: "add" } });
    expect(fresh).toMatchObject({ ok: false, failure: { code: "tool_changed", stage: "sample_call" } });
    const { items } = await p.call(routes.listServerTools, { params: { id: server.id } });
    for (const { id, annotations } of items)
      if (annotations["readOnlyHint"] === true) await p.call(routes.disableTool, { params: { id }, body: { reason: "not now" } });
    const unnamed = await p.call(routes.testMcpServer, { params: { id: server.id } });
    expect(unnamed).toMatchObject({ ok: true, failure: null });
    expect(unnamed.stages.at(-1)).toMatchObject({ status: "skipped", detail: expect.stringContaining("disabled") });
    expect((await toolNamed(p, server.id, "add")).id).toBe(add.id);
  });
});

test("a test changes nothing of the server that runs, and leaves no process", async () => {
  p = await diagnosisPlatform(db);
  const server = await register(p, hostile("grandchild", "ignores-term"));
  const running = await p.left();
  const report = await p.call(routes.testMcpServer, { params: { id: server.id } });
  expect(report).toMatchObject({ ok: true, serverId: server.id });
  expect(new Set(await p.left())).toEqual(new Set(running));
  expect(await p.call(routes.getMcpServer, { params: { id: server.id } })).toEqual(server);
});

test("what a server says of itself is kept in a few words, without what it was trusted with", async () => {
  const token = "hunter2-hunter2";
  p = await diagnosisPlatform(db, { secretValues: { token } });
  const launch = { ...hostile("boasts"), env: { TOKEN: "secret:token" } };
  const report = await p.call(routes.testMcpLaunch, { body: { launch } });
  expect(report).toMatchObject({ ok: true, serverInfo: { name: expect.stringMatching(/^hostile/) }, capabilities: { tools: {} } });
  expect(JSON.stringify(report)).not.toContain(token);
  expect(JSON.stringify(report).length).toBeLessThan(10_000);
  const server = await register(p, launch);
  expect(server).toMatchObject({ state: "READY", serverVersion: expect.stringMatching(/^6\.6\.6 /) });
  expect(server.serverVersion).not.toContain(token);
  expect(server.serverVersion?.length).toBeLessThanOrEqual(128);
});

test("a server that was taken out is not run by a test, and the check says so", async () => {
  p = await diagnosisPlatform(db);
  const { id } = await register(p, hostile());
  await p.call(routes.quarantineMcpServer, { params: { id }, body: { reason: "It lies." } });
  const before = p.audited.length;
  const report = await p.call(routes.testMcpServer, { params: { id } });
  expect(report).toMatchObject({
    ok: false,
    failure: { code: "mcp_server_quarantined", stage: "launch", cause: expect.stringMatching(/./) },
  });
  expect(p.audited.slice(before).map(({ action }) => action)).toEqual(["mcp_server.tested"]);
  expect(await p.call(routes.checkMcpServer, { params: { id } })).toMatchObject({
    ok: false,
    findings: [
      {
        path: "quarantine",
        code: "mcp_server_quarantined",
        message: expect.stringContaining("It lies."),
        remedy: expect.stringContaining("release"),
      },
    ],
  });
});

const refusalOf = (tested: Promise<unknown>): Promise<unknown> =>
  tested.then(
    () => undefined,
    (refusal: unknown) => refusal,
  );

test("a test ends with whoever asked for it, which is nothing unexpected", async () => {
  p = await diagnosisPlatform(db, { timings: { listMs: 60_000 } });
  const gone = new AbortController();
  const body = { launch: hostile("grandchild"), tool: "hang", arguments: {} };
  const refused = refusalOf(p.call(routes.testMcpLaunch, { body }, undefined, gone.signal));
  await vi.waitFor(() => expect(p.recorded.some(({ method }) => method === "tools/call")).toBe(true), { timeout: 20_000, interval: 20 });
  gone.abort();
  expect(await refused).toMatchObject({ code: "unavailable" });
  expect(await p.left()).toEqual([]);
});

test("a test that is under way ends when its server is deleted, taken out or given another launch", async () => {
  p = await diagnosisPlatform(db, { timings: { listMs: 60_000 } });
  const ways = {
    mcp_server_quarantined: (id: string) => p.call(routes.quarantineMcpServer, { params: { id }, body: { reason: "It lies." } }),
    conflict: (id: string) => p.call(routes.updateMcpServer, { params: { id }, body: { launch: hostile("no-ping") } }),
    not_found: (id: string) => p.call(routes.deleteMcpServer, { params: { id } }),
  };
  for (const [code, end] of Object.entries(ways)) {
    const { id } = await register(p, hostile());
    const calls = () => p.recorded.filter(({ method, direction }) => method === "tools/call" && direction === "out").length;
    const before = calls();
    const refused = refusalOf(p.call(routes.testMcpServer, { params: { id }, body: { tool: "hang", arguments: {} } }));
    await vi.waitFor(() => expect(calls()).toBe(before + 1), { timeout: 20_000, interval: 20 });
    await end(id);
    expect(await refused).toMatchObject({ code });
    if (code === "conflict") await p.call(routes.deleteMcpServer, { params: { id } });
    expect(await p.left()).toEqual([]);
  }
});

test("a test approves nothing of what somebody has changed meanwhile", async () => {
  const { promise: looking, resolve: go } = Promise.withResolvers<void>();
  let isLooking = (): void => {};
  const looked = new Promise<void>((resolve) => (isLooking = resolve));
  p = await diagnosisPlatform(db, {
    toolsUsed: async () => {
      isLooking();
      await looking;
      return [];
    },
  });
  const folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-edited-")));
  const script = join(folder, "server.mjs");
  await writeFile(script, "process.exit(3)\n");
  const launch: Launch = { transport: "stdio", command: process.execPath, args: [script], env: {} };
  const { id } = await p.call(routes.createMcpServer, { body: { name: "edited-meanwhile", launch, start: false } });
  await writeFile(script, "process.exit(4)\n");
  const tested = p.call(routes.testMcpServer, { params: { id } });
  await looked;
  const body = { description: "Another", launch: { ...launch, args: [script, "--more"] } };
  await p.call(routes.updateMcpServer, { params: { id }, body }, callerOf(db.tenantId, "designer"));
  go();
  expect(await tested).toMatchObject({ ok: false, failure: { code: "conflict" } });
  expect(await p.call(routes.getMcpServer, { params: { id } })).toMatchObject({ ...body, launchApproved: false });
  await rm(folder, { recursive: true });
});

test("reports of a launch are found when it is registered, and only the last are kept", async () => {
  p = await diagnosisPlatform(db);
  const launch = { ...hostile("exits"), env: { ONCE: "1" } };
  const before = await p.call(routes.testMcpLaunch, { body: { launch } });
  const server = await p.call(routes.createMcpServer, { body: { name: "tested", launch, start: false } });
  const ids = async () => (await p.call(routes.listMcpServerTests, { params: { id: server.id } })).items.map(({ id }) => id);
  expect(await ids()).toEqual([before.id]);
  await db.ownerPool.query(
    `insert into mcp_server_tests (id, tenant_id, server_id, launch_hash, ok, report, at)
     select gen_random_uuid(), tenant_id, $1, launch_hash, ok, report, at - interval '1 hour' from mcp_server_tests, generate_series(1, $2)
     where id = $3`,
    [server.id, LIMITS.mcpTestsKept, before.id],
  );
  await p.call(routes.testMcpServer, { params: { id: server.id } });
  const { rows } = await db.ownerPool.query("select count(*)::int as kept from mcp_server_tests where server_id = $1", [server.id]);
  expect(rows).toEqual([{ kept: LIMITS.mcpTestsKept }]);
});

test("mcpTrialsKept: as many reports of launches are kept of a workspace, and of one more the oldest goes; nothing of others does", async () => {
  p = await diagnosisPlatform(db);
  const launch = { ...hostile("exits"), env: { KEPT: "1" } };
  const server = await p.call(routes.createMcpServer, { body: { name: "beside-trials", launch, start: false } });
  await p.call(routes.testMcpServer, { params: { id: server.id } });
  await db.ownerPool.query("delete from mcp_server_tests where server_id is null");
  const first = await p.call(routes.testMcpLaunch, { body: { launch } });
  const copies = `insert into mcp_server_tests (id, tenant_id, server_id, launch_hash, ok, report, at)
     select gen_random_uuid(), $1, server_id, launch_hash, ok, report, at - make_interval(hours => n)
     from mcp_server_tests, generate_series(1, $2) n where id = $3`;
  const others = await db.secondTenant();
  await db.ownerPool.query(copies, [others, 1, first.id]);
  await db.ownerPool.query(copies, [db.tenantId, LIMITS.mcpTrialsKept - 2, first.id]);
  const kept = async () => {
    const { rows } = await db.ownerPool.query<{ tenant_id: string; server_id: string | null; n: number; oldest: Date }>(
      "select tenant_id, server_id, count(*)::int as n, min(at) as oldest from mcp_server_tests where tenant_id = any($1) group by 1, 2",
      [[db.tenantId, others]],
    );
    const of = (tenant: string, id: string | null) => rows.find((row) => row.tenant_id === tenant && row.server_id === id);
    return { trials: of(db.tenantId, null), theirs: of(others, null)?.n, registered: of(db.tenantId, server.id)?.n };
  };
  await p.call(routes.testMcpLaunch, { body: { launch } });
  const full = await kept();
  expect(full).toMatchObject({ trials: { n: LIMITS.mcpTrialsKept }, theirs: 1, registered: 1 });
  await p.call(routes.testMcpLaunch, { body: { launch } });
  const after = await kept();
  expect(after).toMatchObject({ trials: { n: LIMITS.mcpTrialsKept }, theirs: 1, registered: 1 });
  expect(after.trials?.oldest.getTime()).toBe((full.trials?.oldest.getTime() ?? 0) + 60 * 60 * 1000);
});

describe("mcpTestMs", () => {
  /** The test's whole time passes when it is told to; every other deadline is what it is. */
  function ownTime(): AbortController {
    const over = new AbortController();
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => (ms === LIMITS.mcpTestMs ? over.signal : timeout(ms)));
    return over;
  }
  const late = (): DOMException => new DOMException("The operation was aborted due to timeout", "TimeoutError");

  test("a test that is done by then has its report, whatever the time is afterwards", async () => {
    p = await diagnosisPlatform(db);
    const time = ownTime();
    const report = await p.call(routes.testMcpLaunch, { body: { launch: hostile() } });
    time.abort(late());
    expect(report).toMatchObject({ ok: true, failure: null });
    expect(await p.left()).toEqual([]);
  });

  test("one that is not ends there: it says at which stage, and no process is left", async () => {
    p = await diagnosisPlatform(db, { timings: { probeMs: 60_000, handshakeMs: 60_000 } });
    const time = ownTime();
    const tested = p.call(routes.testMcpLaunch, { body: { launch: hostile("silent") } });
    await vi.waitFor(async () => expect(await p.left()).not.toEqual([]), { timeout: 20_000, interval: 20 });
    await vi.waitFor(() => expect(p.recorded).not.toEqual([]), { timeout: 20_000, interval: 20 });
    time.abort(late());
    const report = await tested;
    expect(report).toMatchObject({ ok: false, failure: { code: "mcp_timeout", stage: "handshake" } });
    expect(report.failure?.message).toContain(`did not end within ${LIMITS.mcpTestMs} ms; it was at handshake`);
    expect(report.stages.map(({ stage, status }) => [stage, status])).toEqual([
      ["launch", "ok"],
      ["handshake", "failed"],
      ["list", "skipped"],
      ["ping", "skipped"],
      ["sample_call", "skipped"],
    ]);
    expect(await p.left()).toEqual([]);
  });
});

test("more tests at once than there may be are refused", async () => {
  p = await diagnosisPlatform(db, { timings: { probeMs: 500, handshakeMs: 500 } });
  const all = Array.from({ length: LIMITS.mcpTestsAtOnce + 1 }, () =>
    p.call(routes.testMcpLaunch, { body: { launch: hostile("silent") } }),
  );
  const results = await Promise.allSettled(all);
  expect(results.filter(({ status }) => status === "rejected")).toMatchObject([{ reason: { code: "unavailable", retryable: true } }]);
  expect(await p.left()).toEqual([]);
});

describe("the era of a server", () => {
  test("is kept with its date, relied upon until it is old, and asked again after a failure", async () => {
    let now = new Date("2026-11-01T12:00:00.000Z");
    p = await diagnosisPlatform(db, { now: () => now });
    const server = await register(p, hostile());
    const asked = () => p.recorded.filter(({ method, direction }) => method === "server/discover" && direction === "out").length;
    expect(server.era).toEqual({ era: "legacy", protocolVersion: "2025-11-25", decidedAt: "2026-11-01T12:00:00.000Z" });
    expect(asked()).toBe(1);
    now = new Date("2026-11-01T12:30:00.000Z");
    expect((await p.call(routes.restartMcpServer, { params: { id: server.id } })).era?.decidedAt).toBe("2026-11-01T12:00:00.000Z");
    expect(asked()).toBe(1);
    now = new Date("2026-11-01T13:00:00.000Z");
    expect((await p.call(routes.restartMcpServer, { params: { id: server.id } })).era?.decidedAt).toBe("2026-11-01T13:00:00.000Z");
    expect(asked()).toBe(2);
  });
});

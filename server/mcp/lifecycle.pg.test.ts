import { spawn } from "node:child_process";
import { hostname } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { newId } from "#server/kernel/ids.ts";
import { hostile, mcpPlatforms, processesOf, published, register, settled, stepCall, toolNamed } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { startTimeOf } from "./process/process-table.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

describe("real servers over stdio", () => {
  test.each(["everything", "filesystem", "memory"] as const)(
    "%s becomes READY with approved tools, and nothing is left after stop",
    async (which) => {
      const p = await platforms.open();
      const server = await register(p, published(which, ...(which === "filesystem" ? ["/tmp"] : [])));
      expect(server).toMatchObject({ state: "READY", launchApproved: true, lastError: null, confinement: "unconfined" });
      expect(server.protocolVersion).toBe("2025-11-25");
      const { items } = await p.call(routes.listServerTools, { params: { id: server.id } });
      expect(items.length).toBe(server.toolCount);
      expect(items.filter(({ approval }) => approval !== "approved")).toEqual([]);
      expect(await processesOf(server.id)).toEqual([server.pid]);
      const stopped = await p.call(routes.stopMcpServer, { params: { id: server.id } });
      expect(stopped).toMatchObject({ state: "STOPPED", desired: "stopped", pid: null });
      expect(await processesOf(server.id)).toEqual([]);
    },
  );
});

describe("failures have their class", () => {
  test.each([
    ["mcp_exited", hostile("exits"), "cannot open the database"],
    ["mcp_no_handshake", hostile("silent"), "did not answer"],
    ["mcp_output_invalid", hostile("garbage"), "no MCP messages"],
    ["mcp_version_unsupported", hostile("wrong-version"), "9999-01-01"],
    ["mcp_protocol_error", hostile("endless-list"), "pages without an end"],
    ["mcp_command_not_found", { ...hostile(), command: "no-such-command-here" }, "no-such-command-here"],
    ["mcp_command_not_found", { ...hostile(), cwd: "/no/such/folder" }, "/no/such/folder"],
  ])("%s: %o", async (code, launch, said) => {
    const isSlow = code === "mcp_no_handshake" || said === "no MCP messages";
    const p = await platforms.open({ timings: { ...(isSlow && { probeMs: 100, handshakeMs: 300 }), stopEofMs: 20, quickFailures: 2 } });
    const server = await register(p, launch);
    const failed = await settled(p, server.id, "FAILED");
    expect(failed.lastError).toMatchObject({ code });
    expect(failed.lastError?.message).toContain(said);
    expect(failed.lastError?.remedy).not.toBe("");
    expect(await processesOf(server.id)).toEqual([]);
  });
});

describe("S-25 whole process trees end", () => {
  test.each([["ignores-term", "ignores-eof"], ["grandchild"], ["grandchild", "ignores-term", "ignores-eof"]])(
    "of a server that %s %s %s",
    async (...modes) => {
      const p = await platforms.open();
      const server = await register(p, hostile(...modes));
      expect(server.state).toBe("READY");
      expect(await processesOf(server.id)).toHaveLength(modes.includes("grandchild") ? 2 : 1);
      await p.call(routes.stopMcpServer, { params: { id: server.id } });
      expect(await processesOf(server.id)).toEqual([]);
    },
  );
});

describe("supervision", () => {
  test("a server whose process ends comes back by itself, with its tools and the restart counted", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const crash = await toolNamed(p, server.id, "crash");
    await expect(p.call(routes.callTool, { params: { id: crash.id }, body: {} })).rejects.toMatchObject({
      code: "mcp_exited",
      retryable: false,
    });
    const call = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    expect(await p.mcp.executeTool.run(call)).toMatchObject({ text: "3" });
    const after = await settled(p, server.id, "READY");
    expect(after).toMatchObject({ restarts: 1, toolCount: server.toolCount });
    expect(after.pid).not.toBe(server.pid);
    expect(await processesOf(server.id)).toEqual([after.pid]);
  });

  test("a server that keeps failing is given up after a few attempts, and a person's start begins again", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile("exits"));
    const failed = await settled(p, server.id, "FAILED");
    expect(failed).toMatchObject({ desired: "running", pid: null, lastError: { code: "mcp_exited" } });
    const starts = p.audited.filter(({ action, target }) => action === "mcp_process.starting" && target === `mcp_server:${server.id}`);
    // Three attempts, of which the first also tried the other era.
    expect(starts).toHaveLength(4);
    await expect(p.call(routes.restartMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "mcp_exited" });
    await settled(p, server.id, "FAILED");
    await expect(p.mcp.executeTool.prepare(stepCall(db, { server: server.name, tool: "add" }))).rejects.toMatchObject({
      code: "mcp_server_not_ready",
      retryable: true,
    });
  });

  test("a server of the old era that ends on the unknown probe is started again without it", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile("dies-of-probe"));
    expect(server).toMatchObject({ state: "READY", protocolVersion: "2025-11-25", restarts: 0 });
  });

  test("a stop ends the attempt that is under way", async () => {
    const p = await platforms.open({ timings: { handshakeMs: 60_000, probeMs: 60_000 } });
    const server = await p.call(routes.createMcpServer, { body: { name: "slow", launch: hostile("silent"), start: false } });
    expect(server).toMatchObject({ state: "STOPPED", desired: "stopped" });
    const starting = Promise.allSettled([p.call(routes.startMcpServer, { params: { id: server.id } })]);
    await vi.waitFor(async () => expect(await processesOf(server.id)).toHaveLength(1));
    expect(await p.call(routes.stopMcpServer, { params: { id: server.id } })).toMatchObject({ state: "STOPPED" });
    expect(await starting).toMatchObject([{ status: "rejected", reason: { code: "mcp_server_not_ready" } }]);
    expect(await processesOf(server.id)).toEqual([]);
  });

  test("a server whose checks fail is DEGRADED, still called, and started anew when it does not recover", async () => {
    const p = await platforms.open({ timings: { listEveryMs: 100 } });
    const server = await register(p, hostile());
    const run = (tool: string, args: object) => p.mcp.executeTool.run(stepCall(db, { server: server.name, tool, arguments: { ...args } }));
    await run("sulk", {});
    const degraded = await settled(p, server.id, "DEGRADED");
    expect(degraded.lastError).toMatchObject({ code: "mcp_protocol_error", message: expect.stringContaining("not in the mood") });
    expect(await run("add", { a: 1, b: 2 })).toMatchObject({ text: "3" });
    const after = await settled(p, server.id, "READY");
    expect(after).toMatchObject({ restarts: 1, lastError: null });
  });

  test("every change of state is announced, and processes are on record", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    await p.call(routes.deleteMcpServer, { params: { id: server.id } });
    expect(p.published.flatMap((event) => (event.type === "mcp_server" ? [event.state] : []))).toEqual([
      "STARTING",
      "READY",
      "STOPPING",
      "STOPPED",
    ]);
    expect(p.audited.filter(({ target }) => target === `mcp_server:${server.id}`).map(({ action }) => action)).toEqual([
      "mcp_server.registered",
      "mcp_server.launch_approved",
      "mcp_process.starting",
      "mcp_tool.approved",
      "mcp_server.deleted",
      "mcp_process.exited",
    ]);
    await expect(p.call(routes.getMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "not_found" });
    await expect(p.call(routes.startMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "not_found" });
    const { rows } = await db.ownerPool.query("select ended_at, exit_code from mcp_processes where server_id = $1", [server.id]);
    expect(rows).toEqual([{ ended_at: expect.any(Date), exit_code: 0 }]);
  });
});

describe("the next start of the platform", () => {
  test("ends what a killed platform left behind, and nobody else, and starts what should run", async () => {
    const first = await platforms.open();
    const server = await register(first, hostile());
    await first.mcp.stop();
    const left = { known: newId(), unknown: newId(), innocent: newId() };
    const { command, args } = hostile("grandchild", "ignores-term", "ignores-eof");
    const spawnLeft = (id: string): number =>
      spawn(command, args, { detached: true, stdio: "ignore", env: { AUTERITY_INSTANCE: `${server.id}:${id}` } }).pid ?? 0;
    const pid = spawnLeft(left.known);
    // Of this one the platform died before it could write down the process id; and this test's process started at another time.
    spawnLeft(left.unknown);
    await vi.waitFor(async () => expect(await processesOf(server.id)).toHaveLength(4), { timeout: 10_000 });
    const rows = [
      [left.known, pid, await startTimeOf(pid)],
      [left.unknown, null, null],
      [left.innocent, process.pid, "1"],
    ] as const;
    for (const [id, leftPid, startTime] of rows) {
      await db.ownerPool.query(
        "insert into mcp_processes (id, tenant_id, server_id, instance_id, host, pid, start_time) values ($1, $2, $3, 'killed', $4, $5, $6)",
        [id, db.tenantId, server.id, hostname(), leftPid, startTime],
      );
    }
    const second = await platforms.open();
    await second.mcp.start();
    // A run that goes on at once does not get a second copy beside what is left.
    const call = stepCall(db, { server: server.name, tool: "add", arguments: { a: 2, b: 2 } }, { timeoutMs: 20_000 });
    expect(await second.mcp.executeTool.run(call)).toMatchObject({ text: "4" });
    const actions = second.audited.map(({ action }) => action);
    expect(actions.indexOf("mcp_process.starting")).toBeGreaterThan(actions.lastIndexOf("mcp_process.orphan_ended"));
    const ready = await settled(second, server.id, "READY");
    expect(await processesOf(server.id)).toEqual([ready.pid]);
    const ended = second.audited.filter(({ action }) => action === "mcp_process.orphan_ended").map(({ details }) => details);
    expect(ended).toEqual(
      expect.arrayContaining([
        { process: left.known, found: 2 },
        { process: left.unknown, found: 2 },
        { process: left.innocent, found: 0 },
      ]),
    );
  });

  test("remembers what was approved, and does not start what was stopped", async () => {
    const first = await platforms.open();
    const running = await register(first, hostile("late-tool"));
    const stopped = await register(first, hostile());
    await first.call(routes.stopMcpServer, { params: { id: stopped.id } });
    await first.mcp.stop();
    expect(await first.call(routes.getMcpServer, { params: { id: running.id } })).toMatchObject({ state: "STOPPED", desired: "running" });
    const second = await platforms.open();
    await second.mcp.start();
    const call = stepCall(db, { server: running.name, tool: "add", arguments: { a: 1, b: 1 } });
    const { binding } = await second.mcp.executeTool.prepare(call);
    expect(await second.mcp.executeTool.run({ ...call, binding })).toMatchObject({ text: "2" });
    expect(await second.call(routes.getMcpServer, { params: { id: stopped.id } })).toMatchObject({ state: "STOPPED" });
    expect(await processesOf(stopped.id)).toEqual([]);
  });
});

test("stderr and events are kept, made printable, redacted and bounded", async () => {
  const p = await platforms.open({ secretValues: { token: "hunter2-hunter2" } });
  const launch = { ...hostile("floods"), env: { TOKEN: "secret:token" } };
  const server = await register(p, launch);
  const environment = await toolNamed(p, server.id, "environment");
  // The child has the value: what it answers is taken out on the way back.
  expect((await p.call(routes.callTool, { params: { id: environment.id }, body: {} })).text).toContain('"TOKEN":"[redacted]"');
  await p.call(routes.stopMcpServer, { params: { id: server.id } });
  const { items, nextCursor } = await p.call(routes.listServerLogs, { params: { id: server.id }, query: { limit: 200 } });
  expect(items.filter(({ stream }) => stream === "stderr").map(({ text }) => text)).toContain(`${"x".repeat(200)}\\x1b[2J\\x00`);
  expect(items.some(({ text }) => /^\d+ lines dropped$/.test(text))).toBe(true);
  expect(items.map(({ text }) => text)).toContain("STOPPED");
  const older = await p.call(routes.listServerLogs, { params: { id: server.id }, query: { limit: 200, cursor: nextCursor ?? "" } });
  expect(older.items.every(({ id }) => Number(id) < Number(items.at(-1)?.id))).toBe(true);
  const { rows } = await db.ownerPool.query("select count(*)::int as lines from mcp_server_logs where server_id = $1", [server.id]);
  expect(rows[0]?.lines).toBeLessThanOrEqual(2_000);
});

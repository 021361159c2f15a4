import { access, mkdtemp, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { newId } from "#server/kernel/ids.ts";
import {
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
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let folder: string;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-update-")));
});
afterEach(() => platforms.close());
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

describe("another launch of an approved server", () => {
  test("by a designer ends what runs, and nothing of it starts until somebody approves it", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const params = { id: server.id };
    const canary = join(folder, "canary");
    const launch = { transport: "stdio" as const, command: "sh", args: ["-c", `touch ${canary}`], env: {} };
    const after = await p.call(routes.updateMcpServer, { params, body: { launch } }, callerOf(db.tenantId, "designer"));
    expect(after).toMatchObject({ state: "FAILED", launchApproved: false, pid: null, lastError: { code: "launch_not_approved" }, launch });
    expect(after.warnings).toMatchObject([{ code: "inline_code" }]);
    expect(await processesOf(server.id)).toEqual([]);
    await expect(p.call(routes.startMcpServer, { params })).rejects.toMatchObject({ code: "launch_not_approved" });
    await expect(access(canary)).rejects.toMatchObject({ code: "ENOENT" });
    expect(p.audited.map(({ action }) => action)).toEqual(expect.arrayContaining(["mcp_server.updated", "mcp_server.launch_changed"]));
    await p.call(routes.updateMcpServer, { params, body: { launch: hostile("late-tool") } }, callerOf(db.tenantId, "designer"));
    expect(await p.call(routes.approveMcpLaunch, { params })).toMatchObject({ state: "READY", launchApproved: true });
  });

  test("by an owner of a loopback install is approved by that and runs at once", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const params = { id: server.id };
    const after = await p.call(routes.updateMcpServer, { params, body: { launch: hostile("late-tool") } });
    expect(after).toMatchObject({ state: "READY", launchApproved: true });
    expect(after.pid).not.toBe(server.pid);
    expect(await processesOf(server.id)).toEqual([after.pid]);
    const stopped = await p.call(routes.stopMcpServer, { params });
    expect(await p.call(routes.updateMcpServer, { params, body: { launch: hostile() } })).toMatchObject({ state: "STOPPED", pid: null });
    expect(stopped.state).toBe("STOPPED");
  });

  test("by an admin is, unless it runs code that nobody approved", async () => {
    const p = await platforms.open();
    const admin = callerOf(db.tenantId, "admin");
    expect(await register(p, hostile(), admin)).toMatchObject({ state: "READY", launchApproved: true });
    const inline = { transport: "stdio" as const, command: "sh", args: ["-c", "exit 1"], env: {} };
    expect(await register(p, inline, admin)).toMatchObject({ state: "FAILED", launchApproved: false });
    expect(await register(p, inline)).toMatchObject({ launchApproved: true });
  });

  test("is refused whole when it may not be registered, and leaves the server alone", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const params = { id: server.id };
    const before = await p.call(routes.getMcpServer, { params });
    const bad = { ...hostile(), env: { NODE_OPTIONS: "--require /tmp/x.js" } };
    const refused = p.call(routes.updateMcpServer, { params, body: { launch: bad, description: "changed" } });
    await expect(refused).rejects.toMatchObject({ code: "launch_refused", issues: [{ path: `${server.name}.launch.env.NODE_OPTIONS` }] });
    expect(p.audited.at(-1)).toMatchObject({ action: "mcp_server.launch_refused", outcome: "deny", reason: "env_refused" });
    expect(await p.call(routes.getMcpServer, { params })).toEqual(before);
  });

  test("runs in the folder that was named, not where a link leads", async () => {
    const p = await platforms.open();
    const link = join(folder, "link");
    await symlink("/etc", link);
    await expect(register(p, { ...hostile(), cwd: link })).rejects.toMatchObject({ code: "launch_refused" });
    await expect(register(p, { ...hostile(), cwd: "/" })).rejects.toMatchObject({ code: "launch_refused" });
    await rm(link);
    const server = await register(p, { ...hostile(), cwd: link });
    expect(server.lastError).toMatchObject({ code: "mcp_command_not_found" });
    await symlink("/etc", link);
    await expect(p.call(routes.startMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "launch_refused" });
    expect(await processesOf(server.id)).toEqual([]);
  });
});

describe("other changes", () => {
  test("at the same time all count, and a launch that is approved is the one that was looked at", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const params = { id: server.id };
    const designer = callerOf(db.tenantId, "designer");
    const settings = [{ idleTimeoutMs: 5_000 }, { logLevel: "info" }, { elicitation: false }, { roots: ["/srv"] }];
    await Promise.all([
      ...settings.map((one) => p.call(routes.updateMcpServer, { params, body: { settings: one } }, designer)),
      p.call(routes.updateMcpServer, { params, body: { description: "Both" } }),
    ]);
    const now = await p.call(routes.getMcpServer, { params });
    expect(now).toMatchObject({ description: "Both", settings: Object.assign({}, ...settings), launchApproved: false });

    const { launchHash } = await p.call(routes.updateMcpServer, { params, body: { launch: hostile("late-tool") } }, designer);
    const roots = ["/srv"];
    await p.call(routes.updateMcpServer, { params, body: { launch: hostile("no-ping") } }, designer);
    for (const seen of [{ launchHash }, { roots: [] }, { launchHash, roots }]) {
      const approved = p.call(routes.approveMcpLaunch, { params, body: seen });
      await expect(approved).rejects.toMatchObject({ code: "conflict" });
    }
    const pending = await p.call(routes.getMcpServer, { params });
    expect(pending).toMatchObject({ launchApproved: false, launch: hostile("no-ping") });
    const body = { launchHash: pending.launchHash, roots };
    expect(await p.call(routes.approveMcpLaunch, { params, body })).toMatchObject({ launchApproved: true, state: "READY" });
  });

  test("reach a server that goes on running; a masked value stays what it was", async () => {
    const p = await platforms.open();
    const server = await register(p, { ...hostile(), env: { API_KEY: "plain-text-key" } });
    const params = { id: server.id };
    const name = `renamed-${newId().slice(-12)}`;
    const after = await p.call(routes.updateMcpServer, { params, body: { name, description: "Better", launch: server.launch } });
    expect(after).toMatchObject({ name, description: "Better", state: "READY", pid: server.pid, launchApproved: true });
    const call = stepCall(db, { server: name, tool: "add", arguments: { a: 1, b: 2 } });
    await expect(p.mcp.executeTool.prepare(call)).resolves.toBeDefined();
    const old = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    await expect(p.mcp.executeTool.prepare(old)).rejects.toMatchObject({
      code: "mcp_server_unknown",
    });
    await expect(toolNamed(p, server.id, "add")).resolves.toMatchObject({ serverName: name });
  });

  test("are refused when the name is taken, a setting is unknown, or there is no such server", async () => {
    const p = await platforms.open();
    const [one, two] = [await register(p, hostile()), await register(p, hostile())];
    const change = (body: object, id = two.id) => p.call(routes.updateMcpServer, { params: { id }, body });
    await expect(change({ name: one.name })).rejects.toMatchObject({ code: "name_taken" });
    await expect(change({ settings: { nonsense: 1 } })).rejects.toMatchObject({ code: "request_invalid" });
    await expect(change({ description: "x" }, newId())).rejects.toMatchObject({ code: "not_found" });
    expect(await p.call(routes.getMcpServer, { params: { id: two.id } })).toMatchObject({ name: two.name, description: "" });
  });

  test("reach the other processes that hold the server", async () => {
    const shared = { isShared: true, timings: { followMs: 20 } };
    const [here, there] = [await platforms.open(shared), await platforms.open(shared)];
    const server = await register(here, hostile());
    await there.mcp.start();
    await settled(there, server.id, "READY");
    const name = `moved-${newId().slice(-12)}`;
    await here.call(routes.updateMcpServer, { params: { id: server.id }, body: { name } });
    const call = stepCall(db, { server: name, tool: "add", arguments: { a: 1, b: 2 } });
    await vi.waitFor(() => expect(there.mcp.executeTool.prepare(call)).resolves.toBeDefined(), { timeout: 5_000 });
    const old = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    await vi.waitFor(() => expect(there.mcp.executeTool.prepare(old)).rejects.toMatchObject({ code: "mcp_server_unknown" }), {
      timeout: 5_000,
    });
  });
});

test("arguments may name secrets", async () => {
  const p = await platforms.open({ secretValues: { which: "late-tool" } });
  const [script = ""] = hostile().args;
  const server = await register(p, { ...hostile(), args: [script, "secret:which"] });
  expect(server).toMatchObject({ state: "READY", launch: { args: [script, "secret:which"] } });
  await vi.waitFor(() => toolNamed(p, server.id, "late"));
});

test("settings reach the server that runs, here and in the other processes, and null takes one back", async () => {
  const shared = { isShared: true, timings: { followMs: 20 } };
  const [here, there] = [await platforms.open(shared), await platforms.open(shared)];
  const server = await register(here, hostile());
  await there.mcp.start();
  await settled(there, server.id, "READY");
  const params = { id: server.id };
  const settings = { sharing: { mode: "session" }, idleTimeoutMs: 5_000 };
  expect(await here.call(routes.updateMcpServer, { params, body: { settings } })).toMatchObject({ settings, launchApproved: true });
  // A call of a run now opens a connection of its own, here as there.
  const call = () => there.mcp.executeTool.run(stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } }));
  await vi.waitFor(
    async () => {
      expect(await call()).toMatchObject({ text: "3" });
      expect((await processesOf(server.id)).length).toBeGreaterThan(2);
    },
    { timeout: 15_000 },
  );
  const back = await here.call(routes.updateMcpServer, { params, body: { settings: { sharing: null } } });
  expect(back.settings).toEqual({ idleTimeoutMs: 5_000 });
  await vi.waitFor(async () => expect(await processesOf(server.id)).toHaveLength(2), { timeout: 15_000 });
});

describe("what the scan has flagged", () => {
  const settings = { allowFlagged: true };
  const changed = (p: McpPlatform, id: string, caller?: ReturnType<typeof callerOf>) =>
    p.call(routes.updateMcpServer, { params: { id }, body: { settings } }, caller);

  test("is served for everybody only when whoever may approve tools says so, on record", async () => {
    const p = await platforms.open();
    const { id } = await register(p, hostile());
    await expect(changed(p, id, callerOf(db.tenantId, "designer"))).rejects.toMatchObject({ code: "permission_denied" });
    const body = { name: "flagged", launch: hostile(), settings };
    const created = p.call(routes.createMcpServer, { body }, callerOf(db.tenantId, "designer"));
    await expect(created).rejects.toMatchObject({ code: "permission_denied" });
    expect((await p.call(routes.getMcpServer, { params: { id } })).settings).toEqual({});
    expect((await changed(p, id)).settings).toEqual(settings);
    expect(p.audited).toContainEqual(
      expect.objectContaining({ action: "mcp_server.updated", details: expect.objectContaining({ allowFlagged: true }) }),
    );
    // Once it is so, others may change what else is set.
    const more = { params: { id }, body: { settings: { idleTimeoutMs: 5_000 } } };
    expect((await p.call(routes.updateMcpServer, more, callerOf(db.tenantId, "designer"))).settings).toMatchObject(settings);
  });

  test("elsewhere than on a loopback install, by somebody other than who registered the server", async () => {
    const p = await platforms.open({ ownerApproves: false });
    const { id } = await register(p, hostile());
    await expect(changed(p, id)).rejects.toMatchObject({ code: "permission_denied" });
    expect((await changed(p, id, callerOf(db.tenantId, "owner", "user:another"))).settings).toEqual(settings);
  });
});

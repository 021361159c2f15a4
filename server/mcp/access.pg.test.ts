import { appendFile, chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { newId } from "#server/kernel/ids.ts";
import { callerOf, hostile, mcpPlatforms, processesOf, register, settled, stepCall, toolNamed } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let folder: string;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
  folder = await mkdtemp(join(tmpdir(), "auterity-launch-"));
});
afterEach(() => platforms.close());
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

/** A script of its own for a test: it runs the hostile server, which lies elsewhere. */
async function copyOfScript(): Promise<string> {
  const [script = ""] = hostile().args;
  const file = join(folder, `${newId()}.mjs`);
  await writeFile(file, `await import(${JSON.stringify(script)});\n`);
  return file;
}
const edit = (script = ""): Promise<void> => appendFile(script, "// edited\n");

describe("no free text becomes a process", () => {
  test("what a designer registers waits, even when a start is asked for", async () => {
    const p = await platforms.open();
    const canary = join(folder, "canary");
    const launch = { transport: "stdio" as const, command: "sh", args: ["-c", `touch ${canary}`], env: {} };
    const designer = callerOf(db.tenantId, "designer");
    const server = await register(p, launch, designer);
    expect(server).toMatchObject({ state: "FAILED", launchApproved: false, pid: null, lastError: { code: "launch_not_approved" } });
    await expect(p.call(routes.startMcpServer, { params: { id: server.id } }, designer)).rejects.toMatchObject({
      code: "launch_not_approved",
    });
    expect(p.audited).toContainEqual(expect.objectContaining({ action: "mcp_server.launch", outcome: "deny", reason: "never approved" }));
    expect(p.audited.map(({ action }) => action)).not.toContain("mcp_process.starting");
    await expect(rm(canary)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("an owner's approval starts it; its tools wait for a look at each", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile(), callerOf(db.tenantId, "designer"));
    expect(await p.call(routes.approveMcpLaunch, { params: { id: server.id } })).toMatchObject({ state: "READY", launchApproved: true });
    const { items } = await p.call(routes.listServerTools, { params: { id: server.id } });
    expect(new Set(items.map(({ approval, effect }) => `${approval} ${effect}`))).toEqual(new Set(["pending once"]));
  });

  test("elsewhere than on a loopback install, maker and checker differ (S-19)", async () => {
    const p = await platforms.open({ ownerApproves: false });
    const [maker, checker] = [callerOf(db.tenantId, "owner", "user:maker"), callerOf(db.tenantId, "owner", "user:checker")];
    const server = await register(p, hostile(), maker);
    expect(server).toMatchObject({ state: "FAILED", launchApproved: false });
    await expect(p.call(routes.approveMcpLaunch, { params: { id: server.id } }, maker)).rejects.toMatchObject({
      code: "permission_denied",
    });
    expect(p.audited.at(-1)).toMatchObject({ actor: "user:maker", action: "mcp_server.launch_approved", outcome: "deny" });
    expect(await p.call(routes.approveMcpLaunch, { params: { id: server.id } }, checker)).toMatchObject({ state: "READY" });
  });

  test("an executable whose bytes have changed is not started", async () => {
    const p = await platforms.open();
    const command = join(folder, "runner");
    await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
    await chmod(command, 0o755);
    const server = await register(p, { ...hostile(), command });
    expect(server).toMatchObject({ state: "READY", launchApproved: true });
    await writeFile(command, `#!/bin/sh\necho other; exec "${process.execPath}" "$@"\n`);
    await expect(p.call(routes.restartMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "launch_not_approved" });
    expect(await p.call(routes.getMcpServer, { params: { id: server.id } })).toMatchObject({
      state: "FAILED",
      launchApproved: false,
      pid: null,
    });
    expect(await processesOf(server.id)).toEqual([]);
    expect(await p.call(routes.approveMcpLaunch, { params: { id: server.id } })).toMatchObject({ state: "READY", launchApproved: true });
  });

  test("a script whose bytes have changed waits again, if somebody else has approved it (S-13)", async () => {
    const p = await platforms.open();
    const launch = { ...hostile(), args: [await copyOfScript()] };
    const params = { id: (await register(p, launch, callerOf(db.tenantId, "designer"))).id };
    expect(await p.call(routes.approveMcpLaunch, { params })).toMatchObject({ state: "READY", warnings: [] });
    await edit(launch.args[0]);
    await expect(p.call(routes.restartMcpServer, { params })).rejects.toMatchObject({
      code: "launch_not_approved",
      message: expect.stringContaining(`${launch.args[0]}, which`),
    });
    expect(await p.call(routes.getMcpServer, { params })).toMatchObject({ state: "FAILED", launchApproved: false, pid: null });
    expect(p.audited.at(-1)).toMatchObject({ action: "mcp_server.launch", reason: "its script differs from what was approved" });
    expect((await p.call(routes.checkMcpServer, { params })).findings).toMatchObject([
      { path: "launch.args", code: "launch_not_approved" },
    ]);
    expect(await p.call(routes.approveMcpLaunch, { params })).toMatchObject({ state: "READY", launchApproved: true });
  });

  test("but not on a machine of one's own, where one has registered it oneself; each change is on record", async () => {
    const p = await platforms.open();
    const launch = { ...hostile(), args: [await copyOfScript()] };
    const params = { id: (await register(p, launch)).id };
    await edit(launch.args[0]);
    expect((await p.call(routes.checkMcpServer, { params })).findings).toEqual([]);
    expect(await p.call(routes.restartMcpServer, { params })).toMatchObject({ state: "READY", launchApproved: true });
    expect(p.audited).toContainEqual(
      expect.objectContaining({
        actor: "system:mcp",
        action: "mcp_server.launch_approved",
        reason: "the script of its owner's own registration has changed",
      }),
    );
    const before = p.audited.length;
    await p.call(routes.restartMcpServer, { params });
    expect(p.audited.slice(before).map(({ action }) => action)).not.toContain("mcp_server.launch_approved");
  });

  test("an approval from before scripts were looked at stays valid, and says so", async () => {
    const p = await platforms.open({ ownerApproves: false });
    const launch = { ...hostile(), args: [await copyOfScript()] };
    const params = { id: (await register(p, launch, callerOf(db.tenantId, "owner", "user:maker"))).id };
    await p.call(routes.approveMcpLaunch, { params });
    await p.call(routes.stopMcpServer, { params });
    await p.close();
    const old =
      "update mcp_servers set launch_hash = split_part(launch_hash, '.', 1), approved_launch_hash = split_part(approved_launch_hash, '.', 1)";
    await db.ownerPool.query(`${old} where id = $1`, [params.id]);
    const again = await platforms.open({ ownerApproves: false });
    await edit(launch.args[0]);
    expect(await again.call(routes.startMcpServer, { params })).toMatchObject({
      state: "READY",
      launchApproved: true,
      warnings: [{ code: "script_unpinned" }],
    });
  });

  test("a command that its owner approved before it was installed is the one that is found first", async () => {
    const p = await platforms.open();
    const command = join(folder, "later");
    const server = await register(p, { ...hostile(), command });
    expect(server).toMatchObject({ state: "FAILED", launchApproved: true, lastError: { code: "mcp_command_not_found" } });
    await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
    await chmod(command, 0o755);
    expect(await p.call(routes.startMcpServer, { params: { id: server.id } })).toMatchObject({ state: "READY" });
    await writeFile(command, "#!/bin/sh\n");
    await expect(p.call(routes.restartMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "launch_not_approved" });
  });
});

describe("another tenant", () => {
  test("sees nothing and reaches nothing", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const tool = await toolNamed(p, server.id, "add");
    const stranger = callerOf(await db.secondTenant(), "owner");
    const params = { id: server.id };
    const unseen = expect.objectContaining({ code: "not_found" });
    for (const route of [
      routes.getMcpServer,
      routes.startMcpServer,
      routes.stopMcpServer,
      routes.restartMcpServer,
      routes.deleteMcpServer,
    ]) {
      await expect(p.call(route, { params }, stranger)).rejects.toEqual(unseen);
    }
    for (const route of [routes.approveMcpLaunch, routes.listServerTools, routes.listServerLogs]) {
      await expect(p.call(route, { params }, stranger)).rejects.toEqual(unseen);
    }
    const params2 = { id: tool.id };
    await expect(p.call(routes.callTool, { params: params2, body: {} }, stranger)).rejects.toEqual(unseen);
    await expect(p.call(routes.approveTool, { params: params2, body: { hash: tool.hash } }, stranger)).rejects.toEqual(unseen);
    expect(await p.call(routes.listMcpServers, {}, stranger)).toEqual({ items: [], nextCursor: null });
    expect(await p.call(routes.listTools, {}, stranger)).toEqual({ items: [], nextCursor: null });
    const call = stepCall({ tenantId: stranger.tenantId }, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    await expect(p.mcp.executeTool.prepare(call)).rejects.toMatchObject({ code: "mcp_server_unknown" });
    expect(await p.call(routes.getMcpServer, { params })).toMatchObject({ state: "READY" });
  });

  test("may use the same name, as may another environment", async () => {
    const p = await platforms.open();
    const stranger = callerOf(await db.secondTenant(), "owner");
    const body = { name: "shared", launch: hostile(), start: false };
    await p.call(routes.createMcpServer, { body });
    await p.call(routes.createMcpServer, { body }, stranger);
    await p.call(routes.createMcpServer, { body: { ...body, environment: "test" } });
    await expect(p.call(routes.createMcpServer, { body })).rejects.toMatchObject({ code: "name_taken" });
    const test = stepCall(db, { server: "shared", tool: "add" }, { environment: "test" });
    await expect(p.mcp.executeTool.prepare(test)).rejects.toMatchObject({ code: "mcp_server_not_ready" });
  });

  test("id that is nobody's is not found either", async () => {
    const p = await platforms.open();
    const params = { id: newId() };
    await expect(p.call(routes.getMcpServer, { params })).rejects.toMatchObject({ code: "not_found" });
    await expect(p.call(routes.callTool, { params, body: {} })).rejects.toMatchObject({ code: "not_found" });
    await expect(p.call(routes.approveTool, { params, body: { hash: "0".repeat(64) } })).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("registration", () => {
  test("of a whole document is all or nothing, starts everything and waits", async () => {
    const p = await platforms.open();
    const { command, args } = hostile();
    const file = { mcpServers: { "Import One": { command, args }, broken: { command: "no-such-command-here" } } };
    const { items } = await p.call(routes.importMcpServers, { body: file });
    expect(items).toMatchObject([
      { name: "import-one", state: "READY", toolCount: 11 },
      { name: "broken", state: "FAILED", lastError: { code: "mcp_command_not_found" } },
    ]);
    const again = { mcpServers: { fresh: { command, args }, broken: { command, args } } };
    await expect(p.call(routes.importMcpServers, { body: again })).rejects.toMatchObject({ code: "name_taken" });
    const { items: all } = await p.call(routes.listMcpServers, { query: { limit: 200 } });
    expect(all.map(({ name }) => name)).not.toContain("fresh");
  });

  test("lists are paged, newest first", async () => {
    const p = await platforms.open();
    const names = ["page-1", "page-2", "page-3"];
    for (const name of names) await p.call(routes.createMcpServer, { body: { name, launch: hostile(), start: false } });
    const first = await p.call(routes.listMcpServers, { query: { limit: 2 } });
    const second = await p.call(routes.listMcpServers, { query: { limit: 1, cursor: first.nextCursor ?? "" } });
    expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(names.toReversed());
  });

  test("of a deleted server's name works again", async () => {
    const p = await platforms.open();
    const body = { name: "phoenix", launch: hostile(), start: false };
    const { id } = await p.call(routes.createMcpServer, { body });
    await p.call(routes.deleteMcpServer, { params: { id } });
    const server = await p.call(routes.createMcpServer, { body: { ...body, start: true } });
    expect(server).toMatchObject({ state: "READY" });
  });

  test("by the platform itself can be repeated, and follows a changed launch", async () => {
    const p = await platforms.open();
    const spec = {
      tenantId: db.tenantId,
      actor: "system:demo",
      name: "demo",
      description: "",
      environment: "production",
      launch: hostile(),
    } as const;
    const first = await p.mcp.ensureServer(spec);
    expect(first).toMatchObject({ state: "READY", launchApproved: true });
    expect(await p.mcp.ensureServer(spec)).toMatchObject({ id: first.id, pid: first.pid, updatedAt: first.updatedAt });
    const moved = await p.mcp.ensureServer({ ...spec, launch: hostile("late-tool") });
    expect(moved).toMatchObject({
      id: first.id,
      state: "READY",
      launchApproved: true,
      launch: { args: [expect.any(String), "late-tool"] },
    });
    expect(await processesOf(first.id)).toEqual([moved.pid]);
    await vi.waitFor(async () => expect(await toolNamed(p, first.id, "late")).toMatchObject({ approval: "approved" }));
    await p.call(routes.stopMcpServer, { params: { id: first.id } });
    expect(await p.mcp.ensureServer({ ...spec, launch: hostile("late-tool") })).toMatchObject({ state: "READY", desired: "running" });
    await settled(p, first.id, "READY");
  });
});

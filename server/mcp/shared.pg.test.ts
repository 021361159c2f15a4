import { spawn } from "node:child_process";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { newId } from "#server/kernel/ids.ts";
import type { Database } from "#server/kernel/ports.ts";
import { eventually } from "#test/support/eventually.ts";
import { changingServer, plainTool } from "#test/support/mcp/changing.ts";
import {
  hostile,
  mcpPlatforms,
  processesOf,
  register,
  stepCall,
  toolNamed,
  callerOf,
  type McpPlatform,
} from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { registeredServers } from "./registration/servers.pg.ts";
import { startTimeOf } from "./process/process-table.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

/** A process that serves the API and one that drives runs, on one database. */
async function two(): Promise<{ api: McpPlatform; worker: McpPlatform }> {
  const shared = { isShared: true, timings: { followMs: 50 } };
  const [api, worker] = [await platforms.open({ ...shared, onDemand: true }), await platforms.open(shared)];
  await api.mcp.start();
  await worker.mcp.start();
  return { api, worker };
}
const add = (worker: McpPlatform, server: string): Promise<unknown> => {
  const call = stepCall(db, { server, tool: "add", arguments: { a: 1, b: 2 } });
  return worker.mcp.executeTool.prepare(call).then(({ binding }) => worker.mcp.executeTool.run({ ...call, ...(binding && { binding }) }));
};
const running = (serverId: string, count: number): Promise<number[]> =>
  eventually(
    () => processesOf(serverId),
    ({ length }) => length === count,
  );

/** A database whose answers to a look at all servers wait from now on, each until it is let go. */
function heldLooks() {
  const held: (() => void)[] = [];
  let isFree = false;
  const database: Database = {
    ...db.database,
    async asWorker(work) {
      const answer = await db.database.asWorker(work);
      if (!isFree && Object.is(work, registeredServers)) await new Promise<void>((resolve) => held.push(resolve));
      return answer;
    },
  };
  const one = (): Promise<unknown> =>
    eventually(
      async () => held.length,
      (count) => count > 0,
    );
  const letGo = (): void => held.shift()?.();
  const free = (): void => {
    isFree = true;
    letGo();
  };
  return { database, one, letGo, free };
}

describe("a server that several processes run", () => {
  test("is started by each: at once where runs are driven, elsewhere when it is asked for", async () => {
    const { api, worker } = await two();
    const server = await register(api, hostile());
    expect(server.state).toBe("READY");
    await running(server.id, 2);
    expect(await add(worker, server.name)).toMatchObject({ text: "3" });
    const next = await platforms.open({ isShared: true, onDemand: true });
    await next.mcp.start();
    await pause(100);
    expect(await processesOf(server.id)).toHaveLength(2);
    const tool = await toolNamed(next, server.id, "add");
    expect(await next.call(routes.callTool, { params: { id: tool.id }, body: { arguments: { a: 4, b: 5 } } })).toMatchObject({ text: "9" });
    await running(server.id, 3);
  });

  test("is called by a step at once, though nobody has started it there yet", async () => {
    const { api } = await two();
    const server = await register(api, hostile());
    const late = await platforms.open({ isShared: true, timings: { followMs: 600_000 } });
    expect(await add(late, server.name)).toMatchObject({ text: "3" });
  });

  test("stops, starts and is restarted everywhere, and ends everywhere when it is deleted", async () => {
    const { api, worker } = await two();
    const server = await register(api, hostile());
    const first = await running(server.id, 2);
    await api.call(routes.stopMcpServer, { params: { id: server.id } });
    await running(server.id, 0);
    await expect(add(worker, server.name)).rejects.toMatchObject({ code: "mcp_server_not_ready" });
    await worker.call(routes.startMcpServer, { params: { id: server.id } });
    await running(server.id, 1);
    const [second] = await processesOf(server.id);
    expect(first).not.toContain(second);
    await api.call(routes.restartMcpServer, { params: { id: server.id } });
    await eventually(
      () => processesOf(server.id),
      (pids) => pids.length === 2 && !pids.includes(second ?? 0),
    );
    await api.call(routes.deleteMcpServer, { params: { id: server.id } });
    await running(server.id, 0);
    await expect(add(worker, server.name)).rejects.toMatchObject({ code: "mcp_server_unknown" });
  });

  test("is as it was asked here last, also when a look has read before that", async () => {
    const looks = heldLooks();
    const platform = await platforms.open({ isShared: true, timings: { followMs: 10 }, database: looks.database });
    await platform.mcp.start();
    const server = await register(platform, hostile());
    await platform.call(routes.stopMcpServer, { params: { id: server.id } });
    await looks.one();
    looks.letGo();
    await looks.one();
    await platform.call(routes.startMcpServer, { params: { id: server.id } });
    looks.letGo();
    await looks.one();
    // The look before has been followed by now.
    const answer = await add(platform, server.name).catch((error: unknown) => error);
    looks.free();
    expect(answer).toMatchObject({ text: "3" });
  });

  test("an approval, and the loss of one, counts everywhere within seconds", async () => {
    const { api, worker } = await two();
    const server = await register(api, hostile(), callerOf(db.tenantId, "designer"));
    await expect(add(worker, server.name)).rejects.toMatchObject({ code: "mcp_server_not_ready" });
    await api.call(routes.approveMcpLaunch, { params: { id: server.id } });
    await running(server.id, 2);
    await expect(add(worker, server.name)).rejects.toMatchObject({ code: "mcp_tool_not_approved" });
    const tool = await toolNamed(api, server.id, "add");
    await api.call(routes.approveTool, { params: { id: tool.id }, body: { hash: tool.hash } });
    expect(
      await eventually(
        () => add(worker, server.name).catch((error: unknown) => error),
        (answer) => !(answer instanceof Error),
      ),
    ).toMatchObject({ text: "3" });
    await db.ownerPool.query("update mcp_tools set approval = 'rejected', updated_at = now() where id = $1", [tool.id]);
    await eventually(
      () =>
        add(worker, server.name).then(
          () => "",
          (error: { code: string }) => error.code,
        ),
      (code) => code === "mcp_tool_not_approved",
    );
  });

  test("a tool that has changed where runs are driven is approved where people decide, and may be called in both", async () => {
    const { worker } = await two();
    const changing = await changingServer({ tools: [plainTool()] });
    const server = await register(worker, changing.launch);
    const api = await platforms.open({ isShared: true, onDemand: true, timings: { followMs: 50 } });
    await api.mcp.start();
    await changing.says({ tools: [plainTool({ title: "Sum" })] });
    const changed = await eventually(
      () => toolNamed(api, server.id, "add"),
      ({ approval }) => approval === "changed",
    );
    const { id, hash } = changed;
    expect(await api.call(routes.approveTool, { params: { id }, body: { hash } })).toMatchObject({ approval: "approved", hash });
    expect(await api.call(routes.callTool, { params: { id }, body: { arguments: {} } })).toMatchObject({ text: "add" });
    expect(await add(worker, server.name)).toMatchObject({ text: "add" });
    await changing.remove();
  });

  test("what was rejected elsewhere is not approved again by a process that has not heard of it", async () => {
    const worker = await platforms.open({ isShared: true, timings: { followMs: 600_000 } });
    const changing = await changingServer({ tools: [plainTool()] });
    const server = await register(worker, changing.launch);
    const api = await platforms.open({ isShared: true, onDemand: true });
    await api.mcp.start();
    const { id, hash } = await toolNamed(api, server.id, "add");
    await api.call(routes.rejectTool, { params: { id }, body: { hash, reason: "No." } });
    for (const title of ["Sum", undefined]) {
      await changing.says({ tools: [plainTool({ ...(title !== undefined && { title }) })] });
      await eventually(
        () => toolNamed(worker, server.id, "add"),
        (tool) => tool.title === (title ?? null),
      );
    }
    expect(await toolNamed(worker, server.id, "add")).toMatchObject({ hash, approval: "pending" });
    await expect(add(worker, server.name)).rejects.toMatchObject({ code: "mcp_tool_not_approved" });
    expect(await changing.called()).toEqual([]);
    await changing.remove();
  });

  test("the end of one of them says nothing about the server", async () => {
    const { api, worker } = await two();
    const server = await register(api, hostile());
    await running(server.id, 2);
    await worker.mcp.stop();
    await running(server.id, 1);
    expect(await api.call(routes.getMcpServer, { params: { id: server.id } })).toMatchObject({ state: "READY", desired: "running" });
  });
});

test("a start ends what dead platforms left on this machine, and nothing of a living one", async () => {
  const { api } = await two();
  const server = await register(api, hostile());
  await running(server.id, 2);
  const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
  const left = { alive: newId(), dead: newId() };
  const { command, args } = hostile("ignores-eof");
  for (const id of Object.values(left)) {
    spawn(command, args, { detached: true, stdio: "ignore", env: { AUTERITY_INSTANCE: `${server.id}:${id}` } });
  }
  await running(server.id, 4);
  const startTime = await startTimeOf(other.pid ?? 0);
  for (const [id, instance] of [
    [left.alive, `x/${other.pid}/${startTime}`],
    [left.dead, `y/${other.pid}/1`],
  ]) {
    await db.ownerPool.query("insert into mcp_processes (id, tenant_id, server_id, instance_id, host) values ($1, $2, $3, $4, $5)", [
      id,
      db.tenantId,
      server.id,
      instance,
      hostname(),
    ]);
  }
  const next = await platforms.open({ isShared: true, onDemand: true });
  await next.mcp.start();
  const ended = async (): Promise<unknown[]> =>
    next.audited.filter(({ action }) => action === "mcp_process.orphan_ended").map(({ details }) => details?.["process"]);
  await eventually(ended, ({ length }) => length > 0);
  expect(await ended()).toEqual([left.dead]);
  await running(server.id, 3);
  // Now its platform is dead as well.
  other.kill("SIGKILL");
  const last = await platforms.open({ isShared: true, onDemand: true });
  await eventually(
    async () => startTimeOf(other.pid ?? 0),
    (time) => time === null,
  );
  await last.mcp.start();
  await running(server.id, 2);
});

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createLeadership } from "#server/postgres/leadership.ts";
import { eventually } from "#test/support/eventually.ts";
import { countingHttpServer, type CountingServer } from "#test/support/mcp/counting-http-server.ts";
import { mcpPlatforms, register, stepCall, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let remote: CountingServer;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  await platforms.close();
  await remote.close();
});
afterAll(() => db.close());

const open = async (): Promise<McpPlatform> => {
  const leadership = createLeadership({ connect: () => db.connectWorker(), lock: "mcpChecks", log: silentLog, everyMs: 50 });
  const timings = { followMs: 50, checkEveryMs: 50, listEveryMs: 100 };
  const platform = await platforms.open({ isShared: true, leadership, timings });
  platform.allowedUrls.push(remote.url);
  await platform.mcp.start();
  return platform;
};
const greet = (p: McpPlatform, server: string): Promise<string> =>
  p.mcp.executeTool.run(stepCall(db, { server, tool: "greet" })).then(
    () => "",
    (error: { code: string }) => error.code,
  );

test("one process of the cluster checks an HTTP server, and another one when that ends", async () => {
  remote = await countingHttpServer();
  const [one, two] = [await open(), await open()];
  const server = await register(one, { transport: "http", url: remote.url, headers: {} });
  await eventually(
    async () => remote.sessions(),
    (count) => count === 2,
  );
  await eventually(
    async () => remote.checkedBy().size,
    (count) => count > 0,
  );
  remote.forget();
  await pause(500);
  expect(remote.checkedBy().size).toBe(1);
  const [leader] = remote.checkedBy();
  await one.mcp.stop();
  remote.forget();
  await eventually(
    async () => remote.checkedBy().size,
    (count) => count === 1,
  );
  expect(await greet(two, server.name)).toBe("");
  // Whether it was the one that ended or not, exactly one goes on.
  expect([...remote.checkedBy()]).toHaveLength(1);
  expect(leader).toBeDefined();
  const view = await two.call(routes.getMcpServer, { params: { id: server.id } });
  expect(view.health).toMatchObject({ failedChecks: 0, latencyMs: expect.any(Number) });
});

test("what the one finds out about the tools blocks them everywhere", async () => {
  remote = await countingHttpServer();
  const all = [await open(), await open()];
  const [one] = all;
  if (one === undefined) throw new Error("no platform");
  const server = await register(one, { transport: "http", url: remote.url, headers: {} });
  for (const p of all)
    await eventually(
      () => greet(p, server.name),
      (code) => code === "",
    );
  remote.describe("Greets, and reads your mail.");
  for (const p of all)
    await eventually(
      () => greet(p, server.name),
      (code) => code === "tool_changed",
    );
  expect(await toolNamed(one, server.id, "greet")).toMatchObject({ approval: "changed" });
});

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { mcpPlatform, mcpPlatforms, processesOf, published, register, settled } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

test("what the operator does not allow is refused at every way in, with the reason", async () => {
  const p = await platforms.open({ launchPolicy: { commands: ["npx"], folders: [] } });
  const launch = published("filesystem", "/usr/share");
  const refused = { code: "launch_refused", message: expect.stringContaining("npx"), issues: expect.any(Array) };
  await expect(register(p, launch)).rejects.toMatchObject(refused);
  await expect(p.call(routes.testMcpLaunch, { body: { launch } })).rejects.toMatchObject(refused);
  const mcpServers = { files: { command: launch.command, args: launch.args } };
  await expect(p.call(routes.importMcpServers, { body: { mcpServers } })).rejects.toMatchObject({ code: "launch_refused" });
  const { items } = await p.call(routes.previewMcpImport, { body: { mcpServers } });
  expect(items[0]?.errors.map(({ code }) => code)).toEqual(["command_not_allowed", "folder_not_allowed", "folder_not_allowed"]);
});

test("what was approved before does not start any more, and says why; with the old settings it does", async () => {
  const before = await mcpPlatform(db);
  const { id } = await register(before, published("everything"));
  await settled(before, id, "READY");
  await before.close();
  const p = await platforms.open({ launchPolicy: { commands: ["npx"] } });
  const params = { id };
  await expect(p.call(routes.startMcpServer, { params })).rejects.toMatchObject({ code: "launch_refused" });
  expect(await processesOf(id)).toEqual([]);
  const { findings } = await p.call(routes.checkMcpServer, { params });
  expect(findings).toContainEqual(expect.objectContaining({ path: "launch.command", code: "launch_refused" }));
  await platforms.close();
  const again = await platforms.open();
  await again.call(routes.startMcpServer, { params });
  expect(await settled(again, id, "READY")).toMatchObject({ launchApproved: true });
});

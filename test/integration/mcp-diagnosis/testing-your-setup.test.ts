import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Launch } from "#contract/mcp/servers.ts";
import { ROUTES as routes } from "#contract/routes.ts";
import { diagnosisPlatform, type DiagnosisPlatform } from "#test/support/mcp/diagnosis.ts";
import { WAYS_TO_FAIL, failingServers, type FailingServers } from "#test/support/mcp/failing-servers.ts";
import { hostile } from "#test/support/mcp/platform.ts";
import { firstColumn, tableOf } from "#test/support/mcp/setup-guide.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let servers: FailingServers;
let at: DiagnosisPlatform;

beforeAll(async () => {
  db = await testDatabase();
  servers = failingServers();
  at = await diagnosisPlatform(db, { timings: { stopEofMs: 50, stopTermMs: 200, probeMs: 300, handshakeMs: 4_000, httpHeadersMs: 2_000 } });
});
afterAll(async () => {
  await at.close();
  await servers.close();
  await db.close();
});

/** `works` and a class in code are what the last cell of a row begins with. */
async function expectAsTheGuideSays(section: string, name: string, launch: Launch): Promise<void> {
  const row = tableOf(section).find(([cell]) => cell === `\`${name}\``);
  const said = /^(?:`(\w+)`|works)/.exec(row?.at(-1) ?? "");
  const { failure } = await at.call(routes.testMcpLaunch, { body: { launch } });
  expect(said?.[1] ?? said?.[0]).toBe(failure?.code ?? "works");
  expect(await at.left()).toEqual([]);
}

describe("the guide says what a test of a server will say", () => {
  test.each(firstColumn("`hostile-server.ts`"))("hostile-server.ts %s", async (mode) => {
    await expectAsTheGuideSays("`hostile-server.ts`", mode, hostile(mode));
  });

  test.each(Object.entries(WAYS_TO_FAIL))("failing-servers.ts %s", async (name, way) => {
    await expectAsTheGuideSays("`failing-servers.ts`", name, { transport: "http", url: await way(servers), headers: {} });
  });
});

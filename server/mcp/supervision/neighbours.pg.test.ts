import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import type { McpServer } from "#contract/mcp/servers.ts";
import { newId } from "#server/kernel/ids.ts";
import { busy, hostile, mcpPlatforms, settled, stepCall, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

/** Each breaks in another way, for as long as it may. */
const BROKEN = [hostile("silent"), hostile("garbage"), busy("dies"), hostile("exits"), hostile("floods"), hostile("endless-list")];

const create = (p: McpPlatform, launch: ReturnType<typeof busy>): Promise<McpServer> =>
  p.call(routes.createMcpServer, { body: { name: `s-${newId().slice(-12)}`, launch, start: false } });

async function use(p: McpPlatform, good: readonly McpServer[]): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    for (const { name } of good.slice(0, 5)) await p.mcp.executeTool.run(stepCall(db, { server: name, tool: "work" }));
    const { items } = await p.call(routes.listTools, { query: { limit: 200 } });
    expect(new Set(items.map(({ serverId }) => serverId)).size).toBeGreaterThanOrEqual(good.length);
  }
}

test("twenty servers of which six are broken: the others' tools are listed and called while those hang, die and flood", async () => {
  const restart = { backoffMs: 200, factor: 1, maxMs: 200, jitter: 0 };
  const p = await platforms.open({ timings: { restart, quickFailures: 1_000, handshakeMs: 60_000, probeMs: 30_000, checkEveryMs: 1_000 } });
  const good = await Promise.all(Array.from({ length: 14 }, () => create(p, busy())));
  const started = await Promise.all(good.map(({ id }) => p.call(routes.startMcpServer, { params: { id } })));
  expect(started.map(({ state }) => state)).toEqual(good.map(() => "READY"));
  const broken = await Promise.all(BROKEN.map((launch) => create(p, launch)));
  for (const { id } of broken) void p.call(routes.startMcpServer, { params: { id } }).catch(() => {});
  await settled(p, broken[0]?.id ?? "", "STARTING");
  await use(p, good);
  // Whoever had waited for the silent one would have waited until it is given up.
  const { items } = await p.call(routes.listMcpServers, { query: { limit: 200 } });
  const states = new Map(items.map(({ id, state }) => [id, state]));
  expect(good.map(({ id }) => states.get(id))).toEqual(good.map(() => "READY"));
  expect(states.get(broken[0]?.id ?? "")).toBe("STARTING");
});

test("servers that hang when the platform starts hold up no others", async () => {
  const timings = { handshakeMs: 60_000, probeMs: 60_000 };
  const first = await platforms.open({ timings });
  const hanging = await Promise.all(Array.from({ length: 6 }, () => create(first, hostile("silent"))));
  const good = await Promise.all([create(first, busy()), create(first, busy())]);
  await db.ownerPool.query("update mcp_servers set desired = 'running' where id = any($1)", [[...hanging, ...good].map(({ id }) => id)]);
  const second = await platforms.open({ timings });
  await second.mcp.start();
  for (const { id } of good) await settled(second, id, "READY");
  expect(await second.call(routes.getMcpServer, { params: { id: hanging[0]?.id ?? "" } })).toMatchObject({ state: "STARTING" });
});

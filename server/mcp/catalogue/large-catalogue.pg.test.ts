import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import type { AuditRecord, Tx } from "#server/kernel/ports.ts";
import { LIMITS } from "#contract/limits.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { hostile, mcpPlatforms, register } from "#test/support/mcp/platform.ts";
import type { PinnedTool } from "./catalogue.ts";
import { seenDefinitions } from "./definitions.pg.ts";
import { createSaveCatalogue } from "./save-catalogue.ts";
import { readTool } from "./tool-definition.ts";
import { toolPresets } from "./tool-presets.ts";
import type { ToolNews } from "./tool-news.ts";
import { pageTools, saveTool, toolsOfServer } from "./tools.pg.ts";
import { findServer } from "../registration/servers.pg.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
const TOOLS = 5_000;
const VERBS = ["list", "create", "delete", "update", "search"];
const THINGS = ["issues", "invoices", "calendars", "branches", "documents", "customers", "reports", "tickets"];

beforeAll(async () => {
  db = await testDatabase();
  const { id: serverId } = await registered();
  await db.database.asTenant(db.tenantId, async (tx) => {
    for (let i = 0; i < TOOLS; i += 1) await saveTool(tx, { tenantId: db.tenantId, serverId, tool: toolOf(i), by: "user:1" });
  });
  await db.ownerPool.query("analyze mcp_tools");
}, 120_000);
afterAll(async () => {
  await platforms.close();
  await db.close();
});

/** A server that has been stopped: its tools are what is stored. */
async function registered(): Promise<{ id: string }> {
  const p = await platforms.open();
  const server = await register(p, hostile());
  await p.mcp.stop();
  return server;
}

const pinned = (raw: unknown): PinnedTool => {
  const read = readTool(raw, "Use them well.");
  if ("refused" in read) throw new Error(read.refused);
  const { name, text, hash } = read;
  const state = {
    approval: "approved",
    approvedHash: hash,
    effect: "none",
    findings: [],
    isFlagged: false,
    listed: true,
    isDisabled: false,
    reason: null,
  } as const;
  return { id: newId(), name, text, hash, ...state };
};

/** As long as definitions of published servers are: about 1.5 KiB. */
function toolOf(i: number): PinnedTool {
  const verb = VERBS[i % VERBS.length] ?? "";
  const thing = THINGS[Math.floor(i / VERBS.length) % THINGS.length] ?? "";
  const property = (name: string) => [
    name,
    { type: "string", description: `The ${name} of the ${thing} that are wanted, if only some are.` },
  ];
  return pinned({
    name: `${verb}_${thing}_${i}`,
    description: `To ${verb} the ${thing} of a workspace, one page at a time. ${"Read the guide before you use filters. ".repeat(8)}`,
    inputSchema: { type: "object", properties: Object.fromEntries(["filter", "order", "cursor", "owner", "since", "until"].map(property)) },
  });
}

const page = (q?: string, cursor?: string) =>
  db.database.asTenant(db.tenantId, (tx) =>
    pageTools(tx, { limit: 50, ...(q !== undefined && { q }), ...(cursor !== undefined && { cursor }) }),
  );

test.each([
  ["the first page", undefined, 50],
  ["a whole name", "search_invoices_9", 1],
  ["part of many names", "invoices", 50],
  ["words of descriptions", "workspace guide filters", 50],
  ["a parameter that all have", "owner", 50],
  ["nothing that there is", "zebra", 0],
])("of 5,000 tools, %s is found", async (_what, q, least) => {
  const { items } = await page(q);
  expect(items.length).toBeGreaterThanOrEqual(least);
  expect(items.length).toBeLessThanOrEqual(least === 0 ? 0 : 50);
});

test("those come first that are called so, then those whose names begin so, have it, have its words, and at last the others", async () => {
  const { id: serverId } = await registered();
  const described = { inputSchema: { type: "object" }, description: "Opens the vault door." };
  const names = ["x", "door_of_the_vault", "old_vault_door_2", "vault_door_2", "vault_door"];
  await db.database.asTenant(db.tenantId, async (tx) => {
    for (const name of names) await saveTool(tx, { tenantId: db.tenantId, serverId, tool: pinned({ ...described, name }), by: "user:1" });
  });
  const found = async (q: string): Promise<string[]> => (await page(q)).items.map(({ tool }) => tool.name);
  expect(await found("VAULT_DOOR")).toEqual(["vault_door", "vault_door_2", "old_vault_door_2"]);
  expect((await found("vault door")).at(-1)).toBe("x");
  expect(await found("100%_\\")).toEqual([]);
});

test("every tool is on one page, whatever its rank", async () => {
  const seen: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const { items, nextCursor } = await page("search", cursor);
    seen.push(...items.map(({ tool }) => tool.id));
    cursor = nextCursor;
  }
  expect([seen.length, new Set(seen).size]).toEqual([1_000, 1_000]);
});

test("all of them are nodes for workflows, page by page, but for one that is disabled", async () => {
  const presets = toolPresets(db.database);
  const all = async (environment: "production" | "test"): Promise<string[]> => {
    const seen: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const { items, nextCursor } = await presets({
        tenantId: db.tenantId,
        environment,
        q: "workspace guide",
        limit: 200,
        ...(cursor && { cursor }),
      });
      seen.push(...items.map(({ toolId }) => toolId));
      cursor = nextCursor;
    }
    return seen;
  };
  const [one] = await all("production");
  await db.ownerPool.query("update mcp_tools set is_disabled = true where id = $1", [one]);
  const found = await all("production");
  expect([found.length, new Set(found).size, found.includes(one ?? "")]).toEqual([TOOLS - 1, TOOLS - 1, false]);
  expect(await all("test")).toEqual([]);
  await db.ownerPool.query("update mcp_tools set is_disabled = false where id = $1", [one]);
});

test("of a tool that never stops changing, the newest definitions are kept, and those that somebody has decided about", async () => {
  const { id: serverId } = await registered();
  const first = pinned({ name: "restless", description: "0", inputSchema: { type: "object" } });
  const changes = LIMITS.toolDefinitionsKept + 20;
  await db.database.asTenant(db.tenantId, async (tx) => {
    const saved = { tenantId: db.tenantId, serverId, by: "user:1" };
    await saveTool(tx, { ...saved, tool: first });
    for (let i = 1; i <= changes; i += 1) {
      const { text, hash } = pinned({ name: "restless", description: `${i}`, inputSchema: { type: "object" } });
      await saveTool(tx, { ...saved, tool: { ...first, text, hash, approval: "changed" } });
    }
    const kept = await seenDefinitions(tx, first.id);
    expect(kept.filter(({ decision }) => decision === null)).toHaveLength(LIMITS.toolDefinitionsKept);
    expect(kept.filter(({ decision }) => decision === "approved").map(({ hash }) => hash)).toEqual([first.hash]);
    expect(kept.filter(({ lastSeenAt }) => lastSeenAt === null)).toHaveLength(1);
  });
});

test("among 5,000 tools a new one costs little, and those that speak of it are flagged", async () => {
  const audited: AuditRecord[] = [];
  const audit = { record: async (_tx: Tx, entry: AuditRecord) => void audited.push(entry) };
  const told: string[] = [];
  const news: ToolNews = {
    affected: async () => new Map(),
    tell: ({ id }, tools) => void told.push(...tools.map(({ name, change }) => `${id} ${change} ${name}`)),
  };
  const save = createSaveCatalogue({ database: db.database, audit, news });
  const [{ id: serverId }, speaking] = [await registered(), await registered()];
  const speaker = pinned({ name: "speaker", description: "Better than open_the_vault.", inputSchema: { type: "object" } });
  const saved = { tenantId: db.tenantId, by: "user:1" };
  const server = await db.database.asTenant(db.tenantId, async (tx) => {
    await saveTool(tx, { ...saved, serverId: speaking.id, tool: speaker });
    return findServer(tx, serverId);
  });
  /** Milliseconds of work of this process. */
  const list = async (name: string): Promise<number> => {
    const tool = pinned({ name, description: "Does it.", inputSchema: { type: "object" } });
    const begun = process.cpuUsage();
    if (server) await save(server.record, { isFirst: false, seen: [], compare: () => [{ kind: "new", tool }] });
    return process.cpuUsage(begun).user / 1_000;
  };
  expect(await list("something_else")).toBeLessThan(5_000);
  expect(await list("open_the_vault")).toBeLessThan(1_000);
  expect(audited.filter(({ action }) => action === "mcp_tool.flagged")).toMatchObject([
    { target: `mcp_server:${speaking.id}`, details: { tools: ["speaker"] } },
  ]);
  expect(told).toEqual([`${serverId} new something_else`, `${serverId} new open_the_vault`, `${speaking.id} flagged speaker`]);
  const tools = await db.database.asTenant(db.tenantId, (tx) => toolsOfServer(tx, speaking.id));
  expect(tools.find(({ name }) => name === "speaker")).toMatchObject({ isFlagged: true, approval: "approved" });
});

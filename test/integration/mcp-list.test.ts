import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { z } from "zod";
import type { McpServer, ServerQuery } from "#contract/mcp/servers.ts";
import type { Page } from "#contract/common.ts";
import * as frames from "#cli/commands/frames.ts";
import * as mcp from "#cli/commands/mcp.ts";
import * as control from "#cli/commands/mcp-control.ts";
import { serverNamed } from "#cli/commands/mcp-server.ts";
import { createClient } from "#sdk/client.ts";
import { published } from "#test/support/mcp/platform.ts";
import { addMember, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/* The list of MCP servers: more than one page of them, and what finds those that are wanted. */
const BULK = 230;
let at: StartedPlatform;
let folder: string;
let [out, notices] = ["", ""];

beforeAll(async () => {
  at = await startedPlatform();
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-list-")));
  const sql = await at.sql();
  const designer = createClient({ url: at.url, token: await addMember(sql, { role: "designer", name: "Dora" }) });
  const remote = (path: string) => ({ transport: "http" as const, url: `https://mcp.example.com/${path}` });
  const start = false;
  await at.client.createMcpServer({ body: { name: "facts", description: "Remembers 100% of facts.", launch: published("memory") } });
  await at.client.createMcpServer({ body: { name: "facts", environment: "test", launch: published("memory"), start } });
  await designer.createMcpServer({ body: { name: "waits", description: "A launch that waits.", launch: remote("a"), start } });
  const settings = { roots: [folder] };
  await at.client.createMcpServer({ body: { name: "rooted", launch: remote("b"), settings, start } });
  const { id } = await at.client.createMcpServer({ body: { name: "moved", launch: remote("c"), settings, start } });
  await designer.updateMcpServer({ params: { id }, body: { settings: { roots: null } } });
  // Older than all others: their ids come before any that is made today.
  await sql.query(
    `insert into mcp_servers (id, tenant_id, environment, name, description, launch, launch_hash, approved_launch_hash, launch_approved_by,
       desired, state, created_by)
     select ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, t.id, 'production', 'bulk-' || i, 'One of many.', $1, 'h', 'h', 'user:1', 'stopped', 'STOPPED', 'user:1'
     from tenants t, generate_series(1, $2::int) i`,
    [JSON.stringify({ ...remote("bulk"), headers: {} }), BULK],
  );
}, 60_000);
beforeEach(() => {
  [out, notices] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += stripVTControlCharacters(String(text))), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((notices += stripVTControlCharacters(String(text))), true));
});
afterEach(() => void vi.restoreAllMocks());
afterAll(async () => {
  await at.close();
  await rm(folder, { recursive: true });
});

type Query = Omit<z.input<typeof ServerQuery>, "limit" | "cursor">;
const label = ({ name, environment }: McpServer): string => (environment === "production" ? name : `${name} in ${environment}`);

/** All pages, none longer than was asked for. */
async function all(query: Query, limit = 200): Promise<string[]> {
  const found: McpServer[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: Page<McpServer> = await at.client.listMcpServers({ query: { ...query, limit, ...(cursor && { cursor }) } });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    cursor = page.nextCursor;
  }
  return found.map(label);
}

describe("the list", () => {
  test.each<[string, Query, string[]]>([
    ["a name", { name: "facts" }, ["facts in test", "facts"]],
    ["a name in an environment", { name: "facts", environment: "test" }, ["facts in test"]],
    ["part of a name, where the name is asked for", { name: "fact" }, []],
    ["a name beyond the first page", { name: "bulk-1" }, ["bulk-1"]],
    ["words of name and description", { q: "REMEMBERS facts" }, ["facts"]],
    ["a sign that means something to the database", { q: "0%" }, ["facts"]],
    ["a word that none has", { q: "facts zebra" }, []],
    ["no words", { q: "  ", environment: "test" }, ["facts in test"]],
    ["a state", { state: "READY" }, ["facts"]],
    ["a state that none is in", { state: "QUARANTINED" }, []],
    ["an environment", { environment: "test" }, ["facts in test"]],
    ["launches and roots that wait for approval", { approval: "waiting" }, ["moved", "waits"]],
    ["those that are approved", { approval: "approved", q: "o", environment: "production", name: "rooted" }, ["rooted"]],
    ["everything at once", { name: "facts", q: "100%", state: "READY", environment: "production", approval: "approved" }, ["facts"]],
    ["what contradicts itself", { name: "facts", state: "READY", environment: "test" }, []],
  ])("finds by %s", async (_what, query, expected) => {
    expect(await all(query)).toEqual(expected);
  });

  test("with a filter comes in pages, newest first, every server once", async () => {
    const bulk = Array.from({ length: BULK }, (_, i) => `bulk-${BULK - i}`);
    expect(await all({ q: "bulk many" }, 30)).toEqual(bulk);
    expect(await all({ approval: "approved" }, 7)).toEqual(["rooted", "facts in test", "facts", ...bulk]);
    expect(await all({})).toHaveLength(BULK + 5);
  });

  test.each<[string, object]>([
    ["state", { state: "ASLEEP" }],
    ["environment", { environment: "moon" }],
    ["approval", { approval: "maybe" }],
    ["q", { q: "x".repeat(201) }],
    ["name", { name: "x".repeat(121) }],
    ["name", { name: "facts\0" }],
    ["limit", { limit: 201 }],
  ])("refuses another %s, and says which are known", async (path, query) => {
    const refusal = at.client.listMcpServers({ query });
    await expect(refusal).rejects.toMatchObject({
      code: "request_invalid",
      issues: [expect.objectContaining({ path: expect.stringContaining(path) })],
    });
  });

  test("refuses a cursor of another list", async () => {
    await expect(at.client.listMcpServers({ query: { q: "bulk", cursor: "bm9uZQ" } })).rejects.toMatchObject({ code: "cursor_invalid" });
  });
});

describe("the commands", () => {
  test("list what is asked for, more than a page of it", async () => {
    await mcp.listServers(at.client, { search: "many", output: "json" });
    expect(JSON.parse(out)).toHaveLength(BULK);
    out = "";
    await mcp.listServers(at.client, { state: "READY", env: "production", approval: "approved", output: "table" });
    expect(out.trim().split("\n")).toHaveLength(2);
    expect(out).toMatch(/facts\s+READY/);
    out = "";
    await mcp.listServers(at.client, { approval: "waiting", output: "json" });
    expect(JSON.parse(out)).toMatchObject([{ name: "moved" }, { name: "waits" }]);
  });

  test("know a server by its name, however many came after it", async () => {
    expect(await serverNamed(at.client, "bulk-1")).toMatchObject({ name: "bulk-1" });
    await control.controlServer(at.client, "bulk-1", { act: control.stop, output: "table" });
    expect(notices).toContain("bulk-1 is STOPPED.");
    await mcp.showLogs(at.client, "bulk-2", { lines: "5", output: "table" });
    await frames.listFrames(at.client, "bulk-3", { limit: "5", output: "json" });
    expect(JSON.parse(out)).toEqual([]);
    await expect(serverNamed(at.client, "facts")).rejects.toThrow(/2 MCP servers named facts; .* in test, .* in production/);
    await expect(serverNamed(at.client, "bulk")).rejects.toThrow("There is no MCP server bulk; `auterity mcp list` shows them.");
    await expect(frames.listFrames(at.client, "none", { limit: "5", output: "json" })).rejects.toThrow(/no MCP server none/);
  });
});

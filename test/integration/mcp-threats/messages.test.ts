import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Json } from "#contract/common.ts";
import type { Client } from "#sdk/client.ts";
import { eventually } from "#test/support/eventually.ts";
import { chaosHttpServer, type ChaosHttpServer } from "#test/support/mcp/chaos-http-server.ts";
import { ROOT } from "#test/support/source-files.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/**
 * Group M of the threat corpus, the rows about messages and calls: a server that breaks the protocol when it answers. Each entry says what
 * the caller gets. Whatever happens, the platform answers /healthz meanwhile, another server's calls go through, memory stays bounded, and
 * the server can be called again afterwards.
 */
const SECRET = "sk-chaos-0123456789";
const TIMEOUT_MS = 700;
const MEMORY_BYTES = 250 * 1024 * 1024;

let platform: StartedPlatform;
let client: Client;
let chaos: McpServer;
let beside: McpServer;
const WAYS = ["json", "sse"] as const;
const remote = new Map<string, ChaosHttpServer>();
const ids = new Map<string, string>();

beforeAll(async () => {
  platform = await startedPlatform();
  client = platform.client;
  await client.putSecret({ params: { name: "token" }, body: { value: SECRET } });
  const args = [join(ROOT, "test/support/mcp/chaos-server.ts")];
  const launch = { transport: "stdio" as const, command: process.execPath, args };
  chaos = await client.createMcpServer({ body: { name: "chaos", launch: { ...launch, env: { TOKEN: "secret:token" } } } });
  beside = await client.createMcpServer({ body: { name: "beside", launch } });
  const others: McpServer[] = [];
  for (const way of WAYS) {
    const fixture = await chaosHttpServer(way);
    remote.set(way, fixture);
    others.push(await client.createMcpServer({ body: { name: way, launch: { transport: "http", url: fixture.url } } }));
  }
  for (const server of [chaos, beside, ...others]) {
    const { items } = await client.listServerTools({ params: { id: server.id } });
    for (const { name, id } of items) ids.set(`${server.name}/${name}`, id);
  }
});
afterAll(async () => {
  await platform.close();
  for (const fixture of remote.values()) await fixture.close();
});

const call = (tool: string, args: Record<string, Json> = {}, timeoutMs = TIMEOUT_MS) =>
  client.callTool({ params: { id: ids.get(tool) ?? "" }, body: { arguments: args, timeoutMs } });

type Outcome = { text?: unknown; isError?: boolean; code?: unknown; message?: unknown };
const outcomeOf = (answer: Promise<object>): Promise<object> => answer.catch((error: unknown) => (error instanceof Error ? error : {}));

/** Runs it while /healthz and another tool are asked, by default of another server; fails when either suffers. */
async function contained(attack: () => Promise<object>, echo = "beside/echo"): Promise<object> {
  const before = process.memoryUsage().rss;
  let isOver = false;
  const slowest = { health: 0, beside: 0 };
  const ask = async (what: keyof typeof slowest, request: () => Promise<unknown>): Promise<void> => {
    while (!isOver) {
      const began = performance.now();
      await request();
      slowest[what] = Math.max(slowest[what], performance.now() - began);
      await pause(20);
    }
  };
  const watching = Promise.all([
    ask("health", async () => expect((await fetch(`${platform.url}/healthz`)).status).toBe(200)),
    ask("beside", async () => expect(await call(echo, { a: 1 }, 10_000)).toMatchObject({ text: '{"a":1}' })),
  ]);
  const outcome = await outcomeOf(attack());
  isOver = true;
  await watching;
  expect(slowest.health).toBeLessThan(2_000);
  expect(slowest.beside).toBeLessThan(5_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES);
  expect(outcome).not.toMatchObject({ code: "internal" });
  return outcome;
}

/** It may have had to be started again, which is what a lost session looks like from here. */
const answersAgain = (server = "chaos"): Promise<object> =>
  eventually(
    () => outcomeOf(call(`${server}/echo`, { again: true }, 5_000)),
    (answer) => "text" in answer && answer.text === '{"again":true}',
  );

type Row = [id: string, tool: string, args: Record<string, Json>, outcome: Outcome];
const unheard: Outcome = { code: "mcp_timeout" };
const ROWS: Row[] = [
  ...["not_json", "truncated", "array_batch", "two_on_a_line", "newline_inside", "byte_order_mark", "utf_16", "raw_nul", "too_deep"].map(
    (tool): Row => ["M-01", tool, {}, unheard],
  ),
  ["M-01", "lone_surrogate", {}, { isError: false }],
  ["M-01", "escaped_nul", {}, { text: "\0", isError: false }],
  ...["version_1", "no_version", "id_null", "id_object", "id_float", "id_beyond", "id_as_string", "id_of_another"].map((tool): Row => [
    "M-02",
    tool,
    {},
    unheard,
  ]),
  ["M-05", "long_line", {}, { code: "mcp_message_too_large" }],
  ["M-05", "endless_line", {}, { code: "mcp_message_too_large" }],
  ["M-08", "hang", {}, unheard],
  ["M-08", "late", { ms: TIMEOUT_MS + 100 }, unheard],
  ["M-08", "progress_for_ever", {}, unheard],
  ["M-10", "wrong_structure", {}, { code: "mcp_protocol_error", message: expect.stringContaining("output schema") }],
  ["M-10", "no_structure", {}, { code: "mcp_protocol_error", message: expect.stringContaining("structuredContent is missing") }],
  ["M-10", "right_structure", {}, { isError: false }],
  ["M-11", "leaks", {}, { isError: true, text: "Error: at /srv/app.js:1\n  token=[redacted]" }],
  ["M-20", "ref_http", { a: 1 }, { code: "mcp_protocol_error" }],
  ["M-20", "ref_file", { a: 1 }, { code: "mcp_tool_not_approved" }],
  ["M-20", "ref_itself", { a: 1 }, { code: "mcp_protocol_error", message: expect.stringContaining("without end") }],
  ["M-20", "ref_bomb", { a: 1 }, { code: "mcp_protocol_error", message: expect.stringContaining("more than") }],
  ["M-20", "any_of_many", { a: 1_999 }, { isError: false }],
  ["M-20", "slow_pattern", { a: `${"a".repeat(50_000)}!` }, { code: "request_invalid" }],
  ["M-20", "long_text", { a: "short" }, { isError: false }],
  ["M-20", "tiny_multiple", { a: 5 }, {}],
  ["M-20", "recursive", { next: { next: { a: 1 } } }, { isError: false }],
  ["M-26", "echo", { anything: true }, { isError: false }],
  ["M-28", "answers_twice", {}, { text: "ok" }],
];

/** `anew`: how often the server is connected to again. */
type HttpRow = { id: string; tool: string; anew?: number } & Record<(typeof WAYS)[number], Outcome>;
const useless: Outcome = { code: "mcp_protocol_error" };
const fine: Outcome = { text: "ok", isError: false };
const tooLarge: Outcome = { code: "mcp_message_too_large" };
/** One document for each answer, or a stream of events that ends after it: nobody need wait for what cannot come any more. */
const HTTP_ROWS: HttpRow[] = [
  ...["not_json", "truncated", "two_on_a_line", "newline_inside", "utf_16", "raw_nul", "says_nothing"].map((tool): HttpRow => ({
    id: "M-01",
    tool,
    json: useless,
    sse: useless,
  })),
  // Revisions before 2025-06-18 allow it in a document.
  { id: "M-01", tool: "array_batch", json: fine, sse: useless },
  // Documents may begin with it.
  { id: "M-01", tool: "byte_order_mark", json: fine, sse: useless },
  { id: "M-01", tool: "too_deep", json: unheard, sse: useless },
  { id: "M-01", tool: "cut_off", anew: 1, json: { code: "mcp_connection_refused" }, sse: { code: "mcp_connection_refused" } },
  { id: "M-01", tool: "lone_surrogate", json: { isError: false }, sse: { isError: false } },
  { id: "M-01", tool: "escaped_nul", json: { text: "\0" }, sse: { text: "\0" } },
  ...["version_1", "no_version", "id_null", "id_object", "id_float", "id_beyond"].map((tool): HttpRow => ({
    id: "M-02",
    tool,
    json: useless,
    sse: useless,
  })),
  ...["id_as_string", "id_of_another"].map((tool): HttpRow => ({ id: "M-02", tool, json: unheard, sse: useless })),
  { id: "N-22", tool: "keeps_alive", json: unheard, sse: unheard },
  ...["long_line", "endless_line"].map((tool): HttpRow => ({ id: "M-05", tool, json: tooLarge, sse: tooLarge })),
];

describe("group M, messages and calls", () => {
  test.each(ROWS)("%s %s", async (_id, tool, args, outcome) => {
    expect(await contained(() => call(`chaos/${tool}`, args))).toMatchObject(outcome);
    await answersAgain();
  });

  test.each(HTTP_ROWS.flatMap((row) => WAYS.map((way) => ({ ...row, way, outcome: row[way] }))))(
    "$id over HTTP as $way: $tool",
    async ({ way, tool, outcome, anew = 0 }) => {
      const fixture = remote.get(way);
      const before = fixture?.sessions() ?? 0;
      // Others who call the same server meanwhile suffer nothing either.
      expect(await contained(() => call(`${way}/${tool}`), `${way}/echo`)).toMatchObject(outcome);
      await answersAgain(way);
      expect(fixture?.sessions()).toBe(before + anew);
    },
  );

  test.each(["flood_of_progress", "flood_of_list_changed"])("M-04 a million notifications: %s", async (tool) => {
    await contained(() => call(`chaos/${tool}`, {}, 20_000));
    await answersAgain();
    const { items } = await client.listServerFrames({ params: { id: chaos.id }, query: { kind: "notification", limit: 200 } });
    expect(items.length).toBeLessThanOrEqual(200);
  });

  test.each(["flood_of_progress", "flood_of_list_changed"])("M-04 half a million notifications over HTTP: %s", async (tool) => {
    const { id } = await client.createMcpServer({
      body: { name: `http-${tool.replaceAll("_", "-")}`, launch: { transport: "http", url: remote.get("sse")?.url ?? "" } },
    });
    const { items: tools } = await client.listServerTools({ params: { id } });
    const flood = tools.find(({ name }) => name === tool)?.id ?? "";
    const outcome = await contained(() => client.callTool({ params: { id: flood }, body: { timeoutMs: 30_000 } }));
    expect(outcome).toMatchObject({ text: "after the flood" });
    const { items } = await client.listServerFrames({ params: { id }, query: { kind: "notification", limit: 200 } });
    expect(items.length).toBeLessThanOrEqual(200);
  });

  test("M-26 what is not listed, not approved or not an object is refused alike, and never reaches the server", async () => {
    const { items } = await client.listServerFrames({ params: { id: beside.id }, query: { kind: "request", limit: 1 } });
    const newest = items[0]?.at;
    const strange = "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234";
    await expect(client.callTool({ params: { id: strange }, body: {} })).rejects.toMatchObject({ code: "not_found" });
    await expect(call("chaos/recursive", { extra: 1 })).rejects.toMatchObject({ code: "request_invalid" });
    await expect(call("chaos/slow_pattern", { a: 1 })).rejects.toMatchObject({ code: "request_invalid" });
    const after = await client.listServerFrames({ params: { id: beside.id }, query: { method: "tools/call", tool: "ECHO", limit: 1 } });
    expect([after.items, newest === undefined]).toEqual([[], false]);
  });

  test("M-29 a caller who leaves ends the call at the server, and nothing comes after", async () => {
    const leave = new AbortController();
    const left = client.callTool({ params: { id: ids.get("chaos/hang") ?? "" }, body: { timeoutMs: 30_000 }, signal: leave.signal });
    const running = () => client.getServerCalls({ params: { id: chaos.id } });
    await eventually(running, ({ tools }) => tools.some((tool) => tool.name === "hang" && tool.running === 1));
    leave.abort();
    await expect(left).rejects.toThrow();
    await eventually(running, ({ tools }) =>
      tools.some((tool) => tool.name === "hang" && tool.running === 0 && tool.counts.cancelled === 1),
    );
    await eventually(
      () => client.listServerFrames({ params: { id: chaos.id }, query: { method: "notifications/cancelled", limit: 1 } }),
      ({ items }) => items.length === 1,
    );
    const { items } = await client.listAudit({ query: { limit: 50 } });
    expect(items.find(({ action }) => action === "mcp_tool.call_left")).toMatchObject({ reason: "client_disconnected" });
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Json } from "#contract/common.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { newId } from "#server/kernel/ids.ts";
import { eventually } from "#test/support/eventually.ts";
import { ERAS, gatewayClient } from "#test/support/mcp/gateway.ts";
import { CALL_P99_MS, TURN_P99_MS, liveness } from "#test/support/liveness.ts";
import { chaosHttpServer, type ChaosHttpServer } from "#test/support/mcp/chaos-http-server.ts";
import { ROOT } from "#test/support/source-files.ts";
import { addTenant, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";
import { RUNNING, changesNothing } from "#test/support/state-hash.ts";

/**
 * Group M of the threat corpus, the rows about messages and calls: a server that breaks the protocol when it answers. Each entry says what
 * the caller gets. Whatever happens, the platform answers /healthz meanwhile, calls of another tenant go through, memory stays bounded, the
 * server can be called again afterwards, and nothing that the database holds is another than before, but how the server runs.
 */
const SECRET = "sk-chaos-0123456789";
const TIMEOUT_MS = 700;
const MEMORY_BYTES = 250 * 1024 * 1024;

let platform: StartedPlatform;
let superuser: pg.Client;
let client: Client;
let chaos: McpServer;
type Watching = Awaited<ReturnType<typeof liveness>>;
/** Over stdio, and for each way of HTTP. */
const watching = new Map<string, Watching>();
const WAYS = ["json", "sse"] as const;
const launch = { transport: "stdio" as const, command: process.execPath, args: [join(ROOT, "test/support/mcp/chaos-server.ts")] };
/** In a process of its own: what it costs to send a flood is not what it costs to withstand it. */
const flooder = spawn(process.execPath, [join(ROOT, "test/support/mcp/chaos-http-server.ts"), "sse"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const flooding = once(flooder.stdout, "data").then(([url]) => String(url).trim());
const remote = new Map<string, ChaosHttpServer>();
const ids = new Map<string, string>();

beforeAll(async () => {
  platform = await startedPlatform();
  superuser = await platform.sql();
  client = platform.client;
  await client.putSecret({ params: { name: "token" }, body: { value: SECRET } });
  chaos = await client.createMcpServer({ body: { name: "chaos", launch: { ...launch, env: { TOKEN: "secret:token" } } } });
  const others: McpServer[] = [];
  for (const way of WAYS) {
    const fixture = await chaosHttpServer(way);
    remote.set(way, fixture);
    others.push(await client.createMcpServer({ body: { name: way, launch: { transport: "http", url: fixture.url } } }));
  }
  for (const server of [chaos, ...others]) {
    const { items } = await client.listServerTools({ params: { id: server.id } });
    for (const { name, id } of items) ids.set(`${server.name}/${name}`, id);
  }
  const health = async () => expect((await fetch(`${platform.url}/healthz`)).status).toBe(200);
  const answering = {
    "/healthz": { ask: health, p99Ms: TURN_P99_MS },
    "another tenant": { ask: await neighbour(), p99Ms: CALL_P99_MS },
  };
  watching.set("stdio", await liveness(answering));
  // Others who call the same server meanwhile suffer nothing either.
  for (const way of WAYS) {
    const ask = () => echoes(client, ids.get(`${way}/echo`));
    watching.set(way, await liveness({ ...answering, "the same server": { ask, p99Ms: CALL_P99_MS } }));
  }
});
afterAll(async () => {
  flooder.kill();
  await platform.close();
  for (const fixture of remote.values()) await fixture.close();
});

const call = (tool: string, args: Record<string, Json> = {}, timeoutMs = TIMEOUT_MS) =>
  client.callTool({ params: { id: ids.get(tool) ?? "" }, body: { arguments: args, timeoutMs } });

type Outcome = { text?: unknown; isError?: boolean; code?: unknown; message?: unknown };
const outcomeOf = (answer: Promise<object>): Promise<object> => answer.catch((error: unknown) => (error instanceof Error ? error : {}));

async function echoes(by: Client, id = ""): Promise<void> {
  const answer = await by.callTool({ params: { id }, body: { arguments: { a: 1 }, timeoutMs: 10_000 } });
  expect(answer).toMatchObject({ text: '{"a":1}', isError: false });
}

/** A call of another tenant's own server. */
async function neighbour(): Promise<() => Promise<void>> {
  const { token } = await addTenant(superuser, "Neighbour");
  const theirs = createClient({ url: platform.url, token });
  const { id } = await theirs.createMcpServer({ body: { name: "theirs", launch } });
  const { items } = await theirs.listServerTools({ params: { id } });
  const echo = items.find(({ name }) => name === "echo")?.id;
  return () => echoes(theirs, echo);
}

type Attacked = { server?: string; way?: string };

/** Runs it, and fails when anybody else suffers, or when something else is different after the server has answered again. */
async function contained(attack: () => Promise<object>, { server = "chaos", way = "stdio" }: Attacked = {}): Promise<object> {
  const before = process.memoryUsage().rss;
  const attacked = async (): Promise<object> => {
    const outcome = await (watching.get(way)?.(() => outcomeOf(attack())) ?? {});
    await answersAgain(server);
    return outcome;
  };
  const outcome = await changesNothing(superuser, attacked, RUNNING);
  expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES);
  expect(outcome).not.toMatchObject({ code: "internal" });
  return outcome;
}

/** It may have had to be started again, which is what a lost session looks like from here. */
const answersAgain = (server: string): Promise<object> =>
  eventually(
    () => outcomeOf(call(`${server}/echo`, { again: true }, 5_000)),
    (answer) => "text" in answer && answer.text === '{"again":true}',
  );

type Row = [id: string, tool: string, args: Record<string, Json>, outcome: Outcome];
const useless: Outcome = { code: "mcp_protocol_error" };
const unheard: Outcome = { code: "mcp_timeout" };
/** Who is not heard is not waited for; the others have the time that a loaded machine needs. */
const patience = (outcome: Outcome): number => (outcome === unheard ? TIMEOUT_MS : 10_000);
const ROWS: Row[] = [
  ...["not_json", "truncated", "array_batch", "two_on_a_line", "newline_inside", "byte_order_mark", "utf_16", "raw_nul"].map(
    (tool): Row => ["M-01", tool, {}, unheard],
  ),
  ["M-01", "too_deep", {}, useless],
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

type HttpRow = { id: string; tool: string } & Record<(typeof WAYS)[number], Outcome>;
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
  { id: "M-01", tool: "too_deep", json: useless, sse: useless },
  { id: "M-01", tool: "cut_off", json: { code: "mcp_connection_refused" }, sse: { code: "mcp_connection_refused" } },
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

const [PROGRESS, LIST_CHANGED] = ["notifications/progress", "notifications/tools/list_changed"];
const FLOODS = [
  { way: "stdio", sent: 1_000_000, tool: "flood_of_progress", method: PROGRESS },
  { way: "stdio", sent: 1_000_000, tool: "flood_of_list_changed", method: LIST_CHANGED },
  { way: "sse", sent: 500_000, tool: "flood_of_progress", method: PROGRESS },
  { way: "sse", sent: 500_000, tool: "flood_of_list_changed", method: LIST_CHANGED },
];
/** As the guide says. */
const FRAMES_PER_SECOND = 100;
const LIST_CHANGED_MS = 50;

/** What became of the notifications that a server has sent: frames, counted in a frame, or counted in the server's log. */
async function notifications(id: string, method: string): Promise<{ frames: number; counted: number; leftOut: number }> {
  const { rows } = await superuser.query<{ n: number }>(
    "select count(*)::int as n from protocol_frames where server_id = $1 and direction = 'in' and method = $2",
    [id, method],
  );
  const params = { id };
  const { items } = await client.listServerFrames({ params, query: { method: "auterity/notifications_counted", limit: 200 } });
  const { items: lines } = await client.listServerLogs({ params, query: { q: "are left out", limit: 200 } });
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
  return {
    frames: rows[0]?.n ?? 0,
    counted: sum(items.map(({ content }) => Counted.parse(content).counted[method] ?? 0)),
    leftOut: sum(lines.map(({ text }) => Number(/^(\d+) (?:lines on stdout|events) came too fast/.exec(text)?.[1] ?? 0))),
  };
}
const Counted = z.object({ counted: z.record(z.string(), z.number()) });

describe("group M, messages and calls", () => {
  test.each(ROWS)("%s %s", async (_id, tool, args, outcome) => {
    expect(await contained(() => call(`chaos/${tool}`, args, patience(outcome)))).toMatchObject(outcome);
  });

  test.each(HTTP_ROWS.flatMap((row) => WAYS.map((way) => ({ ...row, way, outcome: row[way] }))))(
    "$id over HTTP as $way: $tool",
    async ({ way, tool, outcome }) => {
      const fixture = remote.get(way);
      const before = fixture?.sessions() ?? 0;
      expect(await contained(() => call(`${way}/${tool}`, {}, patience(outcome)), { server: way, way })).toMatchObject(outcome);
      // What others have under way goes on.
      expect(fixture?.sessions()).toBe(before);
    },
  );

  test.each(FLOODS)("M-04 $sent notifications over $way: $tool", async ({ way, sent, tool, method }) => {
    const url = way === "sse" ? await flooding : undefined;
    const name = `${way}-${tool.replaceAll("_", "-")}`;
    const { id } = await client.createMcpServer({ body: { name, launch: url === undefined ? launch : { transport: "http", url } } });
    const { items: tools } = await client.listServerTools({ params: { id } });
    for (const one of tools) ids.set(`${name}/${one.name}`, one.id);
    expect(await contained(() => call(`${name}/${tool}`, {}, 30_000), { server: name })).toMatchObject({ isError: false });
    if (method === LIST_CHANGED) {
      // They are put together, and the last of them is heard; the others are worth no word.
      const { frames, ...others } = await notifications(id, method);
      expect([frames >= 1, frames <= 31_000 / LIST_CHANGED_MS, others]).toEqual([true, true, { counted: 0, leftOut: 0 }]);
      return;
    }
    // Those that were left out are counted in the server's log at last.
    const seen = await vi.waitFor(
      async () => {
        const became = await notifications(id, method);
        expect(became.frames + became.counted + became.leftOut).toBe(sent);
        return became;
      },
      { timeout: 20_000, interval: 200 },
    );
    expect(seen.frames).toBeLessThanOrEqual(FRAMES_PER_SECOND * 31);
    expect(seen.leftOut).toBeGreaterThan(sent / 2);
  });

  test("M-26 what is not listed, not approved or not as the schema says is refused alike, and never reaches the server", async () => {
    const began = new Date();
    const reached = async (): Promise<unknown> => {
      const frames =
        "select tool, count(*)::int as n from protocol_frames where server_id is not null and method = 'tools/call' and kind = 'request' and at >= $1 group by 1";
      return (await superuser.query(`${frames} order by 1`, [began])).rows;
    };
    const clients = await Promise.all(ERAS.map((era) => gatewayClient({ url: `${platform.url}/mcp`, token: platform.token }, era)));
    await changesNothing(superuser, async () => {
      await expect(client.callTool({ params: { id: newId() }, body: {} })).rejects.toMatchObject({ code: "not_found" });
      await expect(call("chaos/ref_file")).rejects.toMatchObject({ code: "mcp_tool_not_approved" });
      await expect(call("chaos/recursive", { extra: 1 })).rejects.toMatchObject({ code: "request_invalid" });
      await expect(call("chaos/slow_pattern", { a: 1 })).rejects.toMatchObject({ code: "request_invalid" });
      for (const tool of ["chaos__ECHO", "chaos__nothing", "chaos__ref_file", "CHAOS__echo", "echo"])
        for (const one of clients)
          await expect(one.callTool({ name: tool, arguments: {} })).rejects.toMatchObject({
            code: -32_602,
            message: `Unknown tool: ${tool}`,
          });
    });
    for (const one of clients) await one.close();
    // What is called now is the first that is heard there.
    await call("chaos/count");
    await vi.waitFor(async () => expect(await reached()).toEqual([{ tool: "count", n: 1 }]), { timeout: 10_000 });
  });

  test("M-29 a caller who leaves ends the call at the server, and nothing comes after", async () => {
    const began = new Date();
    const leave = new AbortController();
    const left = client.callTool({ params: { id: ids.get("chaos/hang") ?? "" }, body: { timeoutMs: 30_000 }, signal: leave.signal });
    const running = () => client.getServerCalls({ params: { id: chaos.id } });
    await eventually(running, ({ tools }) => tools.some((tool) => tool.name === "hang" && tool.running === 1));
    leave.abort();
    await expect(left).rejects.toThrow();
    await eventually(running, ({ tools }) =>
      tools.some((tool) => tool.name === "hang" && tool.running === 0 && tool.counts.cancelled === 1),
    );
    const since = "select method, direction from protocol_frames where server_id = $1 and at >= $2 order by at, id";
    const crossed = async () => (await superuser.query<{ method: string; direction: string }>(since, [chaos.id, began])).rows;
    const ended = { method: "notifications/cancelled", direction: "out" };
    const told = [{ method: "tools/call", direction: "out" }, ended];
    await vi.waitFor(async () => expect(await crossed()).toEqual(told), { timeout: 10_000 });
    const { items } = await client.listAudit({ query: { limit: 200 } });
    expect(items.filter(({ action }) => action === "mcp_tool.call_left")).toMatchObject([{ reason: "client_disconnected" }]);
    // The server takes its cancellation for heard, and sends nothing any more.
    await eventually(
      () => client.listServerLogs({ params: { id: chaos.id }, query: { q: "cancelled", since: began.toISOString(), limit: 10 } }),
      ({ items: lines }) => lines.length === 1,
    );
    expect(await crossed()).toEqual(told);
  });
});

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { RouteSpec } from "#contract/route.ts";
import { ROUTES } from "#contract/routes.ts";
import type { Client } from "#sdk/client.ts";
import { readConfig } from "#server/main.ts";
import { connect } from "#server/postgres/connection.ts";
import { loadOrCreateMasterKey } from "#server/secrets/index.ts";
import { runningOwnerUrl } from "#server/storage.ts";
import { eventually } from "#test/support/eventually.ts";
import { PlatformProcess, TOKEN } from "#test/support/platform.ts";
import { isStream, requestFor } from "#test/support/route-walk.ts";
import { ROOT } from "#test/support/source-files.ts";

/** With characters that URL and base64 forms change. */
const CANARY = `sk-canary/${randomUUID()}+&ü`;
const platform = new PlatformProcess({ AUTERITY_LOG_LEVEL: "debug" });
let client: Client;
const seen: { where: string; text: string }[] = [];
/** Repeats the key it was given: as a model provider, and below `/echo` as anything else. */
const parrot = createServer((request, response) => {
  request.resume();
  const content = `You came with ${Buffer.from(request.headers.authorization ?? "", "latin1").toString("latin1")}.`;
  if (request.url === "/echo")
    return response.writeHead(503, { "content-type": "text/plain; charset=utf-8", echo: encodeURIComponent(content) }).end(content);
  const chunk = (delta: object, finish_reason: string | null): string =>
    `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  return response.end(`${chunk({ role: "assistant", content }, null)}${chunk({}, "stop")}data: [DONE]\n\n`);
});
const ids = { server: "", workflow: "", run: "", failing: "", request: "", tool: "", agent: "" };

const calling = (tool: string): Json => ({
  version: 2,
  name: tool,
  nodes: [
    { id: "start", type: "start" },
    { id: "call", type: "mcp_tool", data: { server: "reveal", tool, arguments: {} } },
    {
      id: "ask",
      type: "openai_model",
      data: { model: "offline/extractive", messages: [{ role: "user", content: "Summarise: {{ steps.call.text }}" }] },
    },
    { id: "end", type: "end", data: { output: { call: "=steps.call", ask: "=steps.ask.text" } } },
  ],
  edges: [
    { id: "a", source: "start", target: "call" },
    { id: "b", source: "call", target: "ask" },
    { id: "c", source: "ask", target: "end" },
  ],
});

/** Both ways out of a request: as its output, and as what it fails with. */
const requesting = (url: string): Json => ({
  version: 2,
  name: "request",
  nodes: [
    { id: "start", type: "start" },
    {
      id: "call",
      type: "http",
      data: { method: "POST", url, headers: { authorization: "Bearer {{ secrets.CANARY }}" }, body: "=input" },
      policy: { onError: "continue" },
    },
    { id: "end", type: "end", data: { output: "=steps.call" } },
  ],
  edges: [
    { id: "a", source: "start", target: "call" },
    { id: "b", source: "call", target: "end" },
  ],
});

async function runOf(tool: string): Promise<{ workflow: string; run: string }> {
  const workflow = await client.createWorkflow({ body: { name: tool, definition: calling(tool) } });
  const { id } = await client.startRun({ params: { id: workflow.id }, body: { input: { hint: `do not store ${CANARY}` } } });
  await client.waitForRun(id);
  return { workflow: workflow.id, run: id };
}

beforeAll(async () => {
  await once(parrot.listen(0, "127.0.0.1"), "listening");
  await platform.start();
  client = platform.client;
  await client.putSecret({ params: { name: "CANARY" }, body: { value: CANARY } });
  const server = await client.createMcpServer({
    body: {
      name: "reveal",
      launch: {
        transport: "stdio",
        command: process.execPath,
        args: [join(ROOT, "test/support/mcp/reveal-server.ts")],
        env: { TOKEN: "secret:CANARY" },
      },
    },
  });
  ids.server = server.id;
  ({ workflow: ids.workflow, run: ids.run } = await runOf("reveal"));
  const address = parrot.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const baseUrl = `http://127.0.0.1:${port}/v1`;
  await client.allowEgressTarget({ body: { url: baseUrl, purpose: "http" } });
  const request = await client.createWorkflow({ body: { name: "request", definition: requesting(`http://127.0.0.1:${port}/echo`) } });
  ids.request = (await client.startRun({ params: { id: request.id }, body: {} })).id;
  await client.waitForRun(ids.request);
  const agent = { name: "parrot", endpoint: { kind: "openai" as const, baseUrl, keySecret: "CANARY", models: ["m"] } };
  ids.agent = (await client.createAgent({ body: agent })).id;
  ids.failing = (await runOf("refuse")).run;
  const tools = await client.listServerTools({ params: { id: server.id } });
  ids.tool = tools.items.find(({ name }) => name === "reveal")?.id ?? "";
});
afterAll(async () => {
  await platform.dispose();
  parrot.close();
});

/** Every form in which the value could be read again. */
const FORMS = [
  CANARY,
  CANARY.slice(3, 36),
  encodeURIComponent(CANARY),
  Buffer.from(CANARY).toString("base64").replace(/=+$/, ""),
  Buffer.from(CANARY).toString("base64url"),
  // The same bytes one and two places later in a base64 text.
  Buffer.from(`_${CANARY}`).toString("base64").slice(4, 44),
  Buffer.from(`__${CANARY}`).toString("base64").slice(4, 44),
  Buffer.from(CANARY).toString("hex"),
  JSON.stringify(CANARY).slice(1, -1),
];
function formsIn(text: string): string[] {
  const lower = text.toLowerCase();
  return FORMS.filter((form) => lower.includes(form.toLowerCase()));
}

test("the server did get the secret's value", async () => {
  const { items } = await client.listServerTools({ params: { id: ids.server } });
  const length = items.find(({ name }) => name === "length")?.id ?? "";
  expect((await client.callTool({ params: { id: length }, body: {} })).text).toBe(String(CANARY.length));
});

test("the value is in no answer of a run, a call, a list or a stream", async () => {
  const take = async (where: string, path: string, body?: string): Promise<void> => {
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const answer = await fetch(`${platform.url}${path}`, body === undefined ? { headers } : { method: "POST", headers, body });
    seen.push({ where, text: await answer.text() });
  };
  await eventually(
    () => client.listMessages({ query: { runId: ids.run } }),
    ({ items }) => items.length >= 4,
  );
  await take("the call of a tool", `/api/v1/tools/${ids.tool}/call`, "{}");
  await take("the test of an agent", `/api/v1/agents/${ids.agent}/test`, '{"input":"Who am I?"}');
  for (const stream of [true, false]) {
    const body = JSON.stringify({ model: "parrot/m", stream, messages: [{ role: "user", content: "Who am I?" }] });
    await take("a chat", "/v1/chat/completions", body);
  }
  for (const { where, text } of seen.slice(1)) expect(text, where).toContain("You came with Bearer [redacted].");
  const failed = await client.getRunJournal({ params: { id: ids.request }, query: {} });
  expect(failed.items.find(({ kind }) => kind === "step_failed")?.body).toMatchObject({
    error: { code: "http_failed", cause: "You came with Bearer [redacted]." },
  });
  const reads: readonly RouteSpec[] = Object.values(ROUTES).filter(({ method }) => method === "GET");
  for (const route of reads.filter((candidate) => !isStream(candidate))) {
    for (const id of route.path.includes(":id") ? Object.values(ids) : [""]) {
      const { url } = requestFor(route, { id });
      await take(route.name, `${url}${route.name === "listMessages" || route.name === "listAudit" ? "?limit=200" : ""}`);
    }
  }
  for (const run of [ids.run, ids.failing, ids.request]) await take("the stream of a run", `/api/v1/runs/${run}/events`);
  const journal = seen.filter(({ where }) => where === "getRunJournal").map(({ text }) => text);
  expect(journal.some((text) => text.includes("[redacted]"))).toBe(true);
  expect(seen.filter(({ where }) => where === "listServerLogs").some(({ text }) => text.includes("starting with TOKEN=[redacted]"))).toBe(
    true,
  );
  expect(seen.flatMap(({ where, text }) => formsIn(text).map((form) => `${where}: ${form}`))).toEqual([]);
});

test("the value is in none of the platform's own lines", () => {
  expect(platform.output).toContain('"ready"');
  expect(formsIn(platform.output)).toEqual([]);
});

test("the value is in no row of any table, as text or as bytes", async () => {
  const config = readConfig({ AUTERITY_DATA_DIR: platform.dataDir });
  const superuser = await connect(await runningOwnerUrl({ config, masterKey: await loadOrCreateMasterKey(config.dataDir) }));
  try {
    const { rows: tables } = await superuser.query<{ name: string }>(
      "select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    );
    expect(tables.length).toBeGreaterThan(25);
    const found: string[] = [];
    let bytesSeen = 0;
    for (const { name } of tables) {
      const { rows } = await superuser.query<{ line: string }>(`select row_to_json(t)::text as line from ${name} t`);
      const lines = rows.map(({ line }) => line);
      const bytes = lines.flatMap((line) =>
        [...line.matchAll(/\\\\x([0-9a-f]+)/g)].map((match) => Buffer.from(match[1] ?? "", "hex").toString("utf8")),
      );
      bytesSeen += bytes.length;
      found.push(...[...lines, ...bytes].flatMap((text) => formsIn(text).map((form) => `${name}: ${form}`)));
    }
    expect(bytesSeen).toBeGreaterThan(20);
    expect(found).toEqual([]);
  } finally {
    await superuser.end();
  }
});

test("the value cannot be read back, not even by its owner", async () => {
  const { items } = await client.listSecrets({ query: {} });
  expect(items).toEqual([{ name: "CANARY", environment: "production", createdAt: expect.any(String), updatedAt: expect.any(String) }]);
});

import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { McpServer } from "#contract/mcp/servers.ts";
import { newId } from "#server/kernel/ids.ts";
import type { Client } from "#sdk/client.ts";
import { eventually } from "#test/support/eventually.ts";
import { httpServer, type HttpFixture } from "#test/support/mcp/modern-server.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/** A credential in the query of a server's address goes to the vault, from there to that server, and nowhere else. */
let platform: StartedPlatform;
let client: Client;
const fixtures: HttpFixture[] = [];
beforeAll(async () => {
  platform = await startedPlatform();
  client = platform.client;
});
afterAll(async () => {
  await platform.close();
  for (const fixture of fixtures) await fixture.close();
});

/** With characters that have other forms in an address. */
const KEY = `tvly-${newId()}/+&='(ü)`;
/** As somebody would write it down. */
const inAddress = (origin: string): string => `${origin}?mode=fast&tavilyApiKey=${encodeURIComponent(KEY)}`;
const keyOf = ({ url = "" }: IncomingMessage): string | null => new URL(url, "http://x").searchParams.get("tavilyApiKey");

type Message = { id?: number; method?: string };

/** Says in its tool's result with which address it was called. */
function answerTo({ id, method }: Message, url: string): string {
  const result =
    method === "initialize"
      ? { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "parrot", version: "1.0.0" } }
      : method === "tools/list"
        ? { tools: [{ name: "where", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } }] }
        : method === "tools/call"
          ? { content: [{ type: "text", text: `${url} ${new URL(url, "http://x").searchParams.get("tavilyApiKey") ?? ""}` }] }
          : {};
  return JSON.stringify({ jsonrpc: "2.0", id, result });
}

async function readMessage(request: IncomingMessage): Promise<Message> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

async function serve(handler: Parameters<typeof httpServer>[0]): Promise<HttpFixture> {
  const fixture = await httpServer(handler);
  fixtures.push(fixture);
  return fixture;
}

/** Streamable HTTP; without the key it refuses, and tells what it was called with. */
const streamable = (): Promise<HttpFixture> =>
  serve(async (request, response) => {
    const said = `refused ${request.url ?? ""}`;
    if (request.method !== "POST") response.writeHead(405).end();
    else if (keyOf(request) !== KEY)
      response.writeHead(401, { "www-authenticate": `Bearer realm="${said}"`, "content-type": "text/plain" }).end(said);
    else {
      const message = await readMessage(request);
      if (message.id === undefined) response.writeHead(202).end();
      else response.writeHead(200, { "content-type": "application/json" }).end(answerTo(message, request.url ?? ""));
    }
  });

/** HTTP with SSE as of 2024; it hands the key on to the address for messages, as some do. */
function withSse(): Promise<HttpFixture> {
  let stream: ServerResponse | undefined;
  return serve(async (request, response) => {
    if (request.method === "GET") {
      stream = response.writeHead(200, { "content-type": "text/event-stream" });
      stream.write(`event: endpoint\ndata: /messages?tavilyApiKey=${encodeURIComponent(keyOf(request) ?? "")}\n\n`);
      return;
    }
    const message = await readMessage(request);
    response.writeHead(202).end();
    if (message.id !== undefined) stream?.write(`event: message\ndata: ${answerTo(message, request.url ?? "")}\n\n`);
  });
}

async function imported(url: string, type?: "sse"): Promise<McpServer> {
  const document = { mcpServers: { [`s-${newId().slice(-12)}`]: { url, ...(type && { type }) } } };
  const { items } = await client.importMcpServers({ body: { document } });
  const [server] = items;
  if (!server) throw new Error("the import gave no server");
  return server;
}

/** Every form in which the key could stand somewhere. */
const FORMS = [KEY, encodeURIComponent(KEY), new URLSearchParams({ k: KEY }).toString().slice(2), KEY.slice(5, 41)];
const found = (text: string): string[] => FORMS.filter((form) => text.includes(form) || text.includes(Buffer.from(form).toString("hex")));

async function wholeDatabase(): Promise<string> {
  const sql = await platform.sql();
  const tables = await sql.query<{ name: string }>(
    "select quote_ident(table_schema) || '.' || quote_ident(table_name) as name from information_schema.tables where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')",
  );
  const rows: string[] = [];
  for (const { name } of tables.rows)
    rows.push(...(await sql.query<{ row: string }>(`select t::text as row from ${name} t`)).rows.map(({ row }) => row));
  return rows.join("\n");
}

describe.each([
  ["Streamable HTTP", streamable, undefined],
  ["HTTP with SSE", withSse, "sse"],
] as const)("over %s", (_name, start, type) => {
  test("the server gets the real value; nobody else sees it; it goes with the server", async () => {
    const fixture = await start();
    const address = inAddress(fixture.url);
    const preview = await client.previewMcpImport({ body: { document: address } });
    expect(found(JSON.stringify(preview))).toEqual([]);
    expect(preview.items[0]?.secrets).toEqual([{ at: "query.tavilyApiKey", name: expect.stringContaining("tavilyApiKey") }]);

    const server = await imported(address, type);
    const { id } = server;
    const [secret = ""] = Object.values(server.launch.transport === "http" ? (server.launch.query ?? {}) : {});
    expect(server).toMatchObject({ state: "READY", launch: { url: `${fixture.url}?mode=fast` }, warnings: [] });
    expect(secret).toMatch(/^secret:s_\w+_tavilyApiKey$/);
    expect(new Set(fixture.requests.map(keyOf))).toEqual(new Set([KEY]));

    const { items: tools } = await client.listServerTools({ params: { id } });
    const result = await client.callTool({ params: { id: tools[0]?.id ?? "" }, body: { arguments: {} } });
    expect(JSON.stringify(result)).toContain("[redacted]");
    const report = await client.testMcpServer({ params: { id }, body: {} });
    expect(report.ok).toBe(true);
    const frames = await eventually(
      async () => (await client.listServerFrames({ params: { id }, query: { limit: 200 } })).items,
      (items) => items.some(({ method, kind }) => method === "tools/call" && kind === "response"),
    );
    const seen = {
      server,
      result,
      report,
      frames,
      read: await client.getMcpServer({ params: { id } }),
      audit: await client.listAudit({ query: { limit: 200 } }),
      logs: await client.listServerLogs({ params: { id }, query: { limit: 200 } }),
    };
    expect(found(JSON.stringify(seen))).toEqual([]);
    expect(found(await wholeDatabase())).toEqual([]);

    const name = secret.slice("secret:".length);
    await client.deleteMcpServer({ params: { id } });
    expect((await client.listSecrets({ query: { limit: 200 } })).items.map((one) => one.name)).not.toContain(name);
  });

  test("a redirect to another origin takes it nowhere", async () => {
    const other = await start();
    const fixture = await serve((request, response) => {
      response.writeHead(307, { location: `${other.url}?tavilyApiKey=${encodeURIComponent(keyOf(request) ?? "")}` }).end();
    });
    // Registered itself, so that it may be called.
    await imported(`${other.url}?tavilyApiKey=${encodeURIComponent(KEY)}`, type);
    const before = other.requests.length;
    const server = await imported(inAddress(fixture.url), type);
    expect(server).toMatchObject({ state: "FAILED", lastError: { code: "mcp_redirect_refused" } });
    const report = await client.testMcpServer({ params: { id: server.id }, body: {} });
    expect(report.failure).toMatchObject({ code: "mcp_redirect_refused" });
    expect([fixture.requests.length > 0, other.requests.length]).toEqual([true, before]);
    expect(found(JSON.stringify([server, report]))).toEqual([]);
  });
});

test("a server that repeats a wrong value in its refusal shows nobody what that was", async () => {
  const fixture = await streamable();
  const wrong = `tvly-${newId()}`;
  const server = await imported(`${fixture.url}?tavilyApiKey=${wrong}`);
  expect(server).toMatchObject({ state: "FAILED", lastError: { code: "mcp_unauthorized" } });
  const report = await client.testMcpServer({ params: { id: server.id }, body: {} });
  expect(report.failure?.evidence.http?.body).toBe("refused /mcp?tavilyApiKey=[redacted]");
  expect(JSON.stringify([server, report])).not.toContain(wrong);
  expect(await wholeDatabase()).not.toContain(wrong);
});

test("what somebody has written into a launch is redacted like a secret, where a server repeats it", async () => {
  const fixture = await streamable();
  const [inQuery, inArguments, inEnvironment] = [`tvly-${newId()}`, `q9${newId()}`, `Xc5V${newId()}`];
  const remote = { transport: "http" as const, url: fixture.url, headers: {}, query: { tavilyApiKey: inQuery } };
  const args = ["-c", 'echo "$1 and $API_TOKEN are wrong" >&2; exit 3', "sh", `--token=${inArguments}`];
  const local = { transport: "stdio" as const, command: "sh", args, env: { API_TOKEN: inEnvironment } };
  for (const launch of [remote, local]) {
    const server = await client.createMcpServer({ body: { name: `s-${newId().slice(-12)}`, launch } });
    const report = await client.testMcpServer({ params: { id: server.id }, body: {} });
    const logs = await client.listServerLogs({ params: { id: server.id }, query: {} });
    const seen = JSON.stringify([server.lastError, report, logs]);
    expect(seen).toContain("[redacted]");
    expect([inQuery, inArguments, inEnvironment].filter((value) => seen.includes(value))).toEqual([]);
    await client.deleteMcpServer({ params: { id: server.id } });
  }
});

test("whoever registers by hand is told where a credential belongs, and a plain value is masked", async () => {
  const { url } = await streamable();
  const body = { name: `s-${newId().slice(-12)}`, start: false };
  const raw = { transport: "http" as const, url: inAddress(url), headers: {} };
  await expect(client.createMcpServer({ body: { ...body, launch: raw } })).rejects.toMatchObject({
    code: "launch_refused",
    issues: [{ path: `${body.name}.launch.url`, code: "url_credentials", message: expect.stringContaining('"query": {"tavilyApiKey"') }],
  });
  const launch = { transport: "http" as const, url, headers: {}, query: { tavilyApiKey: KEY } };
  const { id, ...created } = await client.createMcpServer({ body: { ...body, launch } });
  expect(created.launch).toMatchObject({ query: { tavilyApiKey: "********" } });
  await expect(client.updateMcpServer({ params: { id }, body: { launch: raw } })).rejects.toMatchObject({ code: "launch_refused" });
  const kept = await client.updateMcpServer({ params: { id }, body: { launch: created.launch } });
  expect(kept.launch).toEqual(created.launch);
  expect(await client.startMcpServer({ params: { id } })).toMatchObject({ state: "READY" });
});

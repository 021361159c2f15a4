import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { failingServers } from "#test/support/mcp/failing-servers.ts";
import { TIMINGS } from "../supervision/timings.ts";
import { handshake, newClient, speak } from "./connection.ts";
import { callFailure, doubtsConnection, endsConnection } from "./failures.ts";
import { HttpTransport } from "./http-transport.ts";

const servers = failingServers();
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()));
});
afterAll(() => servers.close());

type Asked = { id?: number; method?: string; params?: { name?: string } };
type Tools = Record<string, (response: ServerResponse, answer: string) => void>;
type Way = { tools?: Tools; stream?: (response: ServerResponse, count: number) => void };

const STREAM = { "content-type": "text/event-stream" };

/** A conversation with a server of the 2025 era whose tools, and whose stream of its own, do what a test wants. */
async function talk({ tools = {}, stream }: Way) {
  let streams = 0;
  const { url } = await servers.serve(async (request, response) => {
    if (request.method === "GET" && stream !== undefined) return stream(response, (streams += 1));
    if (request.method !== "POST") return void response.writeHead(405).end();
    const { id, method, params } = await readMessage(request);
    if (id === undefined) return void response.writeHead(202).end();
    const greeting = {
      protocolVersion: "2025-11-25",
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: "made-up", version: "1" },
    };
    const answer = JSON.stringify({ jsonrpc: "2.0", id, result: method === "initialize" ? greeting : { content: [], tools: [] } });
    const tool = method === "tools/call" ? tools[params?.name ?? ""] : undefined;
    if (tool) return tool(response, `data: ${answer}\n\n`);
    response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "1" }).end(answer);
  });
  const timings = { ...TIMINGS, reconnectFloorMs: 1 };
  const transport = new HttpTransport({
    url,
    headers: {},
    fetch: globalThis.fetch,
    frames: { sent: () => {}, received: () => {} },
    timings,
    onFlood: () => {},
  });
  const onToolsChanged = vi.fn<() => void>();
  const answering = {
    settings: () => ({}),
    own: url,
    sample: () => Promise.reject(new Error("nobody is asked")),
    log: () => {},
    drop: () => {},
    note: () => {},
  };
  const client = newClient({ version: "1", timings, era: "legacy", onToolsChanged, answering });
  open.push(client);
  await handshake(client, transport, { timeoutMs: 5_000, signal: new AbortController().signal });
  const server = speak(client, timings);
  const call = (name: string) => server.callTool({ name, arguments: {}, timeoutMs: 5_000 });
  return { call, onToolsChanged };
}

async function readMessage(request: IncomingMessage): Promise<Asked> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const message: Asked = JSON.parse(Buffer.concat(chunks).toString());
  return message;
}

describe("over one connection", () => {
  test.each<[string, Tools[string]]>([
    ["breaks in the middle of an event", (response) => response.writeHead(200, STREAM).write("data: {", () => response.destroy())],
    ["breaks before there are headers", (response) => void response.destroy()],
  ])("an answer that %s is a reason to look at the server, and ends no other call", async (_how, breaks) => {
    let later: (() => void) | undefined;
    const waits: Tools[string] = (response, answer) => {
      response.writeHead(200, STREAM).flushHeaders();
      later = () => response.end(answer);
    };
    const { call } = await talk({ tools: { waits, breaks } });
    const waiting = call("waits");
    await vi.waitFor(() => expect(later).toBeDefined());
    const thrown: unknown = await call("breaks").catch((error: unknown) => error);
    expect([endsConnection(thrown), doubtsConnection(thrown)]).toEqual([false, true]);
    // It may have been done before that.
    for (const repeatable of [true, false])
      expect(callFailure(thrown, { transport: "http", repeatable })).toMatchObject({
        code: "mcp_connection_refused",
        retryable: repeatable,
      });
    later?.();
    expect(await waiting).toMatchObject({ content: [] });
  });

  test.each([
    [502, false],
    [429, true],
  ])(
    "HTTP %i to a call is worth another attempt unless a second one could do harm, but for what was certainly not taken",
    async (status, harmful) => {
      const { call } = await talk({ tools: { fails: (response) => void response.writeHead(status).end() } });
      const thrown: unknown = await call("fails").catch((error: unknown) => error);
      const retryable = (repeatable: boolean): boolean => callFailure(thrown, { transport: "http", repeatable }).retryable;
      expect([retryable(true), retryable(false)]).toEqual([true, harmful]);
    },
  );

  test("a session that the server has forgotten is over, and the call was not taken", async () => {
    const { call } = await talk({ tools: { gone: (response) => void response.writeHead(404).end() } });
    const thrown: unknown = await call("gone").catch((error: unknown) => error);
    expect(endsConnection(thrown)).toBe(true);
    expect(callFailure(thrown, { transport: "http", repeatable: false })).toMatchObject({ code: "mcp_server_not_ready", retryable: true });
  });
});

test("the stream of what a server tells by itself is opened again, also when that fails several times", async () => {
  const changed = `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })}\n\n`;
  const { onToolsChanged } = await talk({
    stream: (response, count) => {
      if (count === 1) response.writeHead(200, STREAM).end("retry: 1\n\n");
      else if (count < 6) response.writeHead(503).end();
      else response.writeHead(200, STREAM).write(changed);
    },
  });
  await vi.waitFor(() => expect(onToolsChanged).toHaveBeenCalled(), 5_000);
});

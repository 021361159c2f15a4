/**
 * A Streamable HTTP MCP server of the 2025 era whose tools break the protocol when they answer, each in its own way; its listing is in
 * order. It answers with documents (`json`) or with streams of events (`sse`), and uses no SDK, so that it can send any bytes. In a test:
 * `const chaos = await chaosHttpServer("sse")`. To try a setup of your own, start it and register the address that it prints:
 *
 *   node test/support/mcp/chaos-http-server.ts sse
 *
 * `echo` behaves; the tools of `broken-answers.ts` answer as their names say; `endless_line` sends 100 MiB without an end, `cut_off` half an
 * answer before it tears the connection down, `says_nothing` an answer without anything in it, `keeps_alive` blanks or comments for ever, and
 * the floods, in streams only, half a million notifications before the answer.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BROKEN_ANSWERS, ENDLESS_MEBIBYTES, text, type Id } from "./broken-answers.ts";
import { httpServer, type HttpFixture } from "./modern-server.ts";

type Way = "json" | "sse";
type Message = { id?: Id; method?: string; params?: { name?: string; arguments?: Record<string, unknown> } };

export type ChaosHttpServer = HttpFixture & {
  /** How often a client has had to begin anew. */
  sessions(): number;
};

const TYPE = { json: "application/json", sse: "text/event-stream" } as const;
const FLOODS: Readonly<Record<string, string>> = {
  flood_of_progress: "notifications/progress",
  flood_of_list_changed: "notifications/tools/list_changed",
};
const OWN = ["echo", "endless_line", "cut_off", "says_nothing", "keeps_alive"];
const tools = [...OWN, ...Object.keys(BROKEN_ANSWERS), ...Object.keys(FLOODS)].map((name) => ({
  name,
  inputSchema: { type: "object" },
  annotations: { readOnlyHint: true },
}));

export async function chaosHttpServer(way: Way): Promise<ChaosHttpServer> {
  const sessions = new Set<string>();
  const fixture = await httpServer(async (request, response) => {
    const refuse = (status: number): void => void response.writeHead(status).end();
    if (request.method !== "POST") return refuse(request.method === "DELETE" ? 200 : 405);
    const asked = await readMessage(request);
    const { id, method } = asked;
    if (id === undefined) return refuse(202);
    const session = method === "initialize" ? randomUUID() : String(request.headers["mcp-session-id"]);
    if (method === "initialize") sessions.add(session);
    else if (!sessions.has(session)) return refuse(404);
    response.writeHead(200, { "content-type": TYPE[way], "mcp-session-id": session });
    return answer(asked, id, { way, response });
  });
  return { ...fixture, sessions: () => sessions.size };
}

async function readMessage(request: IncomingMessage): Promise<Message> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const message: Message = JSON.parse(Buffer.concat(chunks).toString());
  return message;
}

type Sending = { way: Way; response: ServerResponse };

async function answer({ method, params }: Message, id: Id, { way, response }: Sending): Promise<void> {
  const name = method === "tools/call" ? (params?.name ?? "") : "";
  if (name === "keeps_alive") return keepAlive(response, way === "sse" ? ": still here\n\n" : " ");
  const flood = FLOODS[name];
  if (flood !== undefined && way === "sse") await floodWith(response, flood);
  if (way === "sse") response.write("data: ");
  if (name === "endless_line") return endless(response);
  if (name === "cut_off") return cutOff(response, id);
  if (name === "says_nothing") return void response.end(way === "sse" ? "\n\n" : "");
  response.write(BROKEN_ANSWERS[name]?.(id) ?? JSON.stringify({ jsonrpc: "2.0", id, ...proper(method, params) }));
  response.end(way === "sse" ? "\n\n" : "");
}

async function keepAlive(response: ServerResponse, sign: string): Promise<void> {
  while (!response.destroyed) {
    response.write(sign);
    await sleep(20);
  }
}

/** As fast as they are read. */
async function floodWith(response: ServerResponse, method: string): Promise<void> {
  const part = `data: ${JSON.stringify({ jsonrpc: "2.0", method, params: { progressToken: 1, progress: 1 } })}\n\n`.repeat(2_000);
  for (let left = 250; left > 0 && !response.destroyed; left -= 1) if (!response.write(part)) await once(response, "drain").catch(() => {});
}

/** Until nobody listens any more. */
async function endless(response: ServerResponse): Promise<void> {
  const parts = function* (): Generator<Buffer> {
    for (let sent = 0; sent < ENDLESS_MEBIBYTES; sent += 1) yield Buffer.alloc(1024 * 1024, "x");
  };
  await pipeline(parts, response).catch(() => {});
}

async function cutOff(response: ServerResponse, id: Id): Promise<void> {
  await new Promise((resolve) => response.write(`{"jsonrpc":"2.0","id":${id},"result":`, resolve));
  response.destroy();
}

function proper(method: string | undefined, params: Message["params"]): object {
  if (method === "initialize") {
    return { result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "chaos-http", version: "1.0.0" } } };
  }
  if (method === "tools/list") return { result: { tools } };
  if (method === "tools/call" && params?.name === "echo") return { result: text(JSON.stringify(params.arguments ?? {})) };
  if (method === "tools/call" && FLOODS[params?.name ?? ""] !== undefined) return { result: text("after the flood") };
  return method === "ping" ? { result: {} } : { error: { code: -32_601, message: "Method not found" } };
}

if (process.argv[1]?.endsWith("chaos-http-server.ts")) {
  const { url } = await chaosHttpServer(process.argv[2] === "sse" ? "sse" : "json");
  process.stdout.write(`${url}\n`);
}

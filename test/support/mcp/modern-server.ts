/** A server of the 2026-07-28 era made with the SDK: over stdio when run, over HTTP by `modernHttpServer`. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

function newServer(): McpServer {
  const server = new McpServer({ name: "modern", version: "2.0.0" }, { instructions: "Greet." });
  const inputSchema = z.object({ who: z.string() });
  server.registerTool("greet", { description: "Greets somebody.", inputSchema, annotations: { readOnlyHint: true } }, ({ who }) => ({
    content: [{ type: "text", text: `Hello ${who}` }],
  }));
  return server;
}

if (process.argv[1]?.endsWith("modern-server.ts")) serveStdio(newServer, { legacy: "reject" });

export type HttpFixture = { url: string; requests: IncomingMessage[]; close(): Promise<void> };
type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Any HTTP server on loopback; it remembers what it was asked. */
export async function httpServer(handler: Handler): Promise<HttpFixture> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    void Promise.resolve(handler(request, response)).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}/mcp`, requests, close };
}

export function modernHandler(): Handler {
  const mcp = createMcpHandler(newServer, { legacy: "reject" });
  return webHandler((request) => mcp.fetch(request));
}

export const modernHttpServer = (): Promise<HttpFixture> => httpServer(modernHandler());

/** A handler made for the web's requests, behind Node's. */
export const webHandler =
  (answerTo: (request: Request) => Promise<Response>): Handler =>
  async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const method = request.method ?? "GET";
    const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const body = method === "POST" ? Buffer.concat(chunks) : null;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const answer = await answerTo(new Request(`http://127.0.0.1${request.url}`, { method, headers, body, signal: gone.signal }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    try {
      if (answer.body) for await (const chunk of answer.body) response.write(chunk);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    }
    response.end();
  };

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Pool } from "undici";
import type { Call } from "./measure.ts";

export type Endpoint = { url: string; tool: string; token?: string };

const VERSION = "2025-11-25";

/** The SDK's client in a session of its own: how long a call takes for somebody who uses it. */
export async function sdkCaller({ url, tool, token }: Endpoint): Promise<{ call: Call; close(): Promise<void> }> {
  const client = new Client({ name: "bench", version: "1.0.0" }, { versionNegotiation: { mode: "legacy" } });
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  const call = async (): Promise<void> => check(await client.callTool({ name: tool, arguments: { message: "hello" } }));
  return { call, close: () => client.close() };
}

/**
 * Callers that cost next to nothing themselves, each with a session and a connection of its own: how many calls a server
 * answers when the client is not what limits them.
 */
export async function leanCallers(endpoint: Endpoint, count: number): Promise<{ calls: Call[]; close(): Promise<void> }> {
  const { origin, pathname } = new URL(endpoint.url);
  const pool = new Pool(origin, { connections: count, pipelining: 1 });
  const calls = await Promise.all(Array.from({ length: count }, () => leanCaller(pool, pathname, endpoint)));
  return { calls, close: () => pool.close() };
}

async function leanCaller(pool: Pool, path: string, { tool, token }: Endpoint): Promise<Call> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  let id = 0;
  const post = async (message: object): Promise<{ text: string; session: string }> => {
    const { body, headers: answered } = await pool.request({
      path,
      method: "POST",
      headers,
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
    return { text: await body.text(), session: String(answered["mcp-session-id"]) };
  };
  const params = { protocolVersion: VERSION, capabilities: {}, clientInfo: { name: "bench", version: "1.0.0" } };
  const { session } = await post({ id, method: "initialize", params });
  Object.assign(headers, { "mcp-session-id": session, "mcp-protocol-version": VERSION });
  await post({ method: "notifications/initialized" });
  return async () => {
    id += 1;
    const { text } = await post({ id, method: "tools/call", params: { name: tool, arguments: { message: "hello" } } });
    if (!text.includes("Echo: hello")) throw new Error(`expected an echo, got ${text.slice(0, 300)}`);
  };
}

function check(result: { isError?: boolean | undefined }): void {
  if (result.isError) throw new Error(`expected an echo, got ${JSON.stringify(result)}`);
}

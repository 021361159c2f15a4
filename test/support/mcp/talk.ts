/** Conversations with fixture servers, as the platform's connections have them, but without a platform. */
import { fileURLToPath } from "node:url";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { createMcpHandler, type McpServer } from "@modelcontextprotocol/server";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { handshake, newClient, speak, type Connection, type ListName } from "#server/mcp/connection/connection.ts";
import type { Answering } from "#server/mcp/connection/server-requests.ts";
import { TIMINGS } from "#server/mcp/supervision/timings.ts";
import { httpServer, webHandler, type HttpFixture } from "./modern-server.ts";
import { talkativeServer } from "./talkative-server.ts";

export type Talk = Omit<Connection, "transport" | "pid" | "lost" | "lossReason" | "close"> & {
  heard: ListName[];
  /** What the server has logged, and what was noted about it. */
  told: string[];
  close(): Promise<void>;
};
type Era = "auto" | "legacy";

const TALKATIVE = fileURLToPath(new URL("talkative-server.ts", import.meta.url));

export const talkativeLaunch = { transport: "stdio" as const, command: process.execPath, args: [TALKATIVE], env: {} };

/** Over HTTP; every request is answered by a server of its own. */
export function talkativeHttpServer(): Promise<HttpFixture> {
  const mcp = createMcpHandler((): McpServer => talkativeServer());
  return httpServer(webHandler((request) => mcp.fetch(request)));
}

type Server = { command: string; args: string[] } | { url: string };

export async function talkTo(server: Server, era: Era = "auto", change: Partial<Answering> = {}): Promise<Talk> {
  const told: string[] = [];
  const answering: Answering = {
    settings: () => ({}),
    own: "url" in server ? server.url : undefined,
    sample: async () => ({ role: "assistant", model: "none", content: { type: "text", text: "a thought" } }),
    log: (level, text) => told.push(`${level} ${text}`),
    drop: (lines) => told.push(`dropped ${lines}`),
    note: (text) => told.push(text),
    ...change,
  };
  const client = newClient({ version: "1", timings: { ...TIMINGS, listChangedDebounceMs: 5 }, era, onToolsChanged: () => {}, answering });
  const transport =
    "url" in server ? new StreamableHTTPClientTransport(new URL(server.url)) : new StdioClientTransport({ ...server, stderr: "ignore" });
  await handshake(client, transport, { timeoutMs: 20_000, signal: new AbortController().signal });
  const speech = speak(client, TIMINGS);
  const heard: ListName[] = [];
  speech.onListChanged((list) => heard.push(list));
  return { ...speech, heard, told, close: () => client.close() };
}

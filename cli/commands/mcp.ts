import pc from "picocolors";
import { LAUNCH_APPROVALS, SERVER_STATES, type McpServer, type ServerQuery, type ServerState } from "#contract/mcp/servers.ts";
import { LOG_LEVELS, LOG_STREAMS, type LogFilter, type LogLevel, type ServerLogLine } from "#contract/mcp/logs.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { Json, type Environment } from "#contract/common.ts";
import { serverNamed } from "./mcp-server.ts";
import { toolNamed } from "./mcp-tools.ts";
import { printDocument, printItem, printList, printable, say, shortened, type Format } from "../output.ts";

export const STATES = SERVER_STATES;
export const APPROVALS = LAUNCH_APPROVALS;

type Listed = { search?: string; state?: ServerState; env?: Environment; approval?: ServerQuery["approval"]; output: Format };

export async function listServers(client: Client, { search, state, env, approval, output }: Listed): Promise<void> {
  const servers: McpServer[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const query = { q: search, state, environment: env, approval, limit: 200, ...(cursor && { cursor }) };
    const page: Awaited<ReturnType<Client["listMcpServers"]>> = await client.listMcpServers({ query });
    servers.push(...page.items);
    cursor = page.nextCursor;
  }
  printList(servers, output, [
    ["NAME", (server) => server.name],
    ["STATE", (server) => server.state],
    ["ENV", (server) => server.environment],
    ["TOOLS", (server) => server.toolCount],
    ["TRANSPORT", (server) => server.launch.transport],
    ["PROTOCOL", (server) => server.protocolVersion ?? ""],
    ["WHY", ({ quarantine, lastError }) => (quarantine === null ? lastError?.code : shortened(quarantine.reason, 70))],
  ]);
}

/** `name` is `server/tool`. */
export async function callTool(
  client: Client,
  name: string,
  { input, output }: { input: readonly string[]; output: Format },
): Promise<number> {
  const tool = await toolNamed(client, name);
  const args = Json.parse(readInput(input));
  if (typeof args !== "object" || args === null || Array.isArray(args)) throw new Error("A tool's arguments are an object.");
  const result = await client.callTool({ params: { id: tool.id }, body: { arguments: args } });
  printDocument(result, output === "table" ? "yaml" : output);
  return result.isError ? 1 : 0;
}

export const LEVELS = LOG_LEVELS;
export const STREAMS = LOG_STREAMS;

type LogOptions = { follow?: boolean; grep?: string; stream?: ServerLogLine["stream"]; level?: LogLevel; lines: string; output: Format };

/** Prints the newest lines, oldest first, and with `follow` those that come. */
export async function showLogs(client: Client, name: string, { output, lines, follow, grep, stream, level }: LogOptions): Promise<void> {
  const { id } = await serverNamed(client, name);
  const filter: LogFilter = { ...(grep !== undefined && { q: grep }), ...(stream && { stream }), ...(level && { level }) };
  const { items } = await client.listServerLogs({ params: { id }, query: { ...filter, limit: Number(lines) } });
  const show = (line: ServerLogLine): void => (output === "table" ? say(lineOf(line)) : printItem(line, output));
  for (const line of items.toReversed()) show(line);
  if (!follow) return;
  // The newest line is part of what was asked for or not; whatever comes after it is what is missing.
  const after = items[0] === undefined ? 0 : Number(items[0].id);
  for await (const line of client.followServerLogs({ params: { id }, query: { ...filter, after }, headers: {} })) show(line);
}

function lineOf({ at, stream, level, processId, text }: ServerLogLine): string {
  const origin = processId === null ? "" : ` ${processId.slice(-6)}`;
  return `${pc.dim(`${at} ${level ?? stream}${origin}`)} ${printable(text)}`;
}

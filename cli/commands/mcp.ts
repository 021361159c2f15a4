import pc from "picocolors";
import { LAUNCH_APPROVALS, SERVER_STATES, type McpServer, type ServerQuery, type ServerState } from "#contract/mcp/servers.ts";
import { LOG_LEVELS, LOG_STREAMS, type LogFilter, type LogLevel, type ServerLogLine } from "#contract/mcp/logs.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { Id, Json, type Environment } from "#contract/common.ts";
import { toolNamed } from "./mcp-tools.ts";
import { printDocument, printList, printable, say, shortened, type Format } from "../output.ts";

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

/** By its name or, where each environment has one of that name, by its id. */
export async function serverNamed(client: Client, name: string): Promise<McpServer> {
  if (Id.safeParse(name).success) return client.getMcpServer({ params: { id: name } });
  const { items } = await client.listMcpServers({ query: { name } });
  const [server] = items;
  if (!server) throw new Error(`There is no MCP server ${name}; \`auterity mcp list\` shows them.`);
  if (items.length === 1) return server;
  const each = items.map(({ id, environment }) => `${id} in ${environment}`).join(", ");
  throw new Error(`There are ${items.length} MCP servers named ${name}; say which one by its id: ${each}.`);
}

export const LEVELS = LOG_LEVELS;
export const STREAMS = LOG_STREAMS;

type LogOptions = { follow?: boolean; grep?: string; stream?: ServerLogLine["stream"]; level?: LogLevel; lines: string };

/** Prints the newest lines, oldest first, and with `follow` those that come. */
export async function showLogs(client: Client, name: string, { follow, grep, stream, level, lines }: LogOptions): Promise<void> {
  const { id } = await serverNamed(client, name);
  const filter: LogFilter = { ...(grep !== undefined && { q: grep }), ...(stream && { stream }), ...(level && { level }) };
  const { items } = await client.listServerLogs({ params: { id }, query: { ...filter, limit: Number(lines) } });
  for (const line of items.toReversed()) say(lineOf(line));
  if (!follow) return;
  // The newest line is part of what was asked for or not; whatever comes after it is what is missing.
  const after = items[0] === undefined ? 0 : Number(items[0].id);
  for await (const line of client.followServerLogs({ params: { id }, query: { ...filter, after }, headers: {} })) say(lineOf(line));
}

function lineOf({ at, stream, level, processId, text }: ServerLogLine): string {
  const origin = processId === null ? "" : ` ${processId.slice(-6)}`;
  return `${pc.dim(`${at} ${level ?? stream}${origin}`)} ${printable(text)}`;
}

import pc from "picocolors";
import type { LogFilter, LogLevel, ServerLogLine } from "#contract/mcp/logs.ts";
import type { Client } from "#sdk/client.ts";
import { printable, say } from "../output.ts";
import { serverNamed } from "./mcp.ts";

type Options = { follow?: boolean; grep?: string; stream?: ServerLogLine["stream"]; level?: LogLevel; lines: string };

/** Prints the newest lines, oldest first, and with `follow` those that come. */
export async function showLogs(client: Client, name: string, { follow, grep, stream, level, lines }: Options): Promise<void> {
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

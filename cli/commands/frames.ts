import type { Message } from "#contract/messages.ts";
import type { Client } from "#sdk/client.ts";
import { serverNamed } from "./mcp-server.ts";
import { notice, printDocument, printItem, printList, printable, say, type Format } from "../output.ts";

type Options = { errors?: boolean; tool?: string; run?: string; limit: string; output: Format };

/** What went to a server and came from it, newest first. */
export async function listFrames(client: Client, name: string, options: Options): Promise<void> {
  const { id } = await serverNamed(client, name);
  const { items } = await client.listServerFrames({ params: { id }, query: { ...filterOf(options), limit: Number(options.limit) } });
  printList(items, options.output, [
    ["AT", (frame) => frame.at],
    ["", (frame) => (frame.direction === "out" ? "→" : "←")],
    ["KIND", (frame) => frame.kind],
    ["METHOD", (frame) => frame.method],
    ["TOOL", (frame) => frame.tool ?? ""],
    ["ERROR", (frame) => frame.errorCode ?? ""],
    ["MS", (frame) => msOf(frame)],
    ["BYTES", (frame) => frame.sizeBytes],
    ["ID", (frame) => frame.id],
  ]);
}

/** One line per frame as it is stored, until somebody interrupts. */
export async function followServerFrames(client: Client, name: string, options: Options): Promise<void> {
  const { id } = await serverNamed(client, name);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  for await (const one of client.followServerFrames(id, { query: filterOf(options), signal: stop.signal })) {
    if (one.kind === "missed") notice(`At least ${one.frames} frames were missed here.`);
    else if (options.output === "table") say(lineOf(one.message));
    else printItem(one.message, options.output);
  }
}

export async function replayFrame(client: Client, id: string, output: Format): Promise<void> {
  printDocument(await client.replayFrame({ params: { id } }), output === "table" ? "yaml" : output);
}

const filterOf = ({ errors, tool, run }: Options) => ({
  ...(errors === true && { errors: "true" }),
  ...(tool !== undefined && { tool }),
  ...(run !== undefined && { runId: run }),
});

const msOf = ({ latencyMs }: Message): string => (latencyMs === null ? "" : latencyMs.toFixed(1));

function lineOf(frame: Message): string {
  const arrow = frame.direction === "out" ? "→" : "←";
  const parts = [frame.at, arrow, frame.kind, frame.method, frame.tool ?? "", frame.errorCode ?? "", msOf(frame), `${frame.sizeBytes} B`];
  return printable(parts.filter((part) => part !== "").join(" "));
}

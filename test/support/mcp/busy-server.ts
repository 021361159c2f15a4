/*
 * An MCP server over stdio, of the 2025 era and without an SDK, to see which of its processes does what. Modes: `differs` (each
 * process describes a tool in its own way), `dies` (ends half a second after each list), `breaks` (ends at
 * once when it was made to crash before).
 */
import { existsSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

type Message = { id?: string | number; method?: string; params?: { name?: string; arguments?: { ms?: number } } };

const modes = new Set(process.argv.slice(2));
const write = (message: object): boolean => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const anything = { type: "object" };
const readOnly = { readOnlyHint: true };
let count = 0;
if (modes.has("breaks") && existsSync("crashed")) process.exit(2);

const TOOLS = [
  {
    name: "work",
    description: `Works for a while.${modes.has("differs") ? process.pid : ""}`,
    inputSchema: anything,
    annotations: readOnly,
  },
  { name: "count", description: "Counts the calls of this process.", inputSchema: anything },
  { name: "crash", description: "Ends the process.", inputSchema: anything },
  { name: "storm", description: "Says without end that the list has changed.", inputSchema: anything },
];

async function call({ id, params }: Message): Promise<void> {
  if (params?.name === "crash") {
    writeFileSync("crashed", "");
    process.exit(7);
  }
  if (params?.name === "work") await sleep(params.arguments?.ms ?? 0);
  count += 1;
  const text = params?.name === "count" ? String(count) : String(process.pid);
  write({ id, result: { content: [{ type: "text", text }] } });
  if (params?.name === "storm") await storm(1_000_000);
}

/** As fast as the other side reads. */
async function storm(notifications: number): Promise<void> {
  const line = `${JSON.stringify({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })}\n`.repeat(1_000);
  for (let sent = 0; sent < notifications; sent += 1_000) {
    if (!process.stdout.write(line)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    await sleep(0);
  }
  process.stderr.write("the storm is over\n");
}

function answer(message: Message): void {
  const { id, method } = message;
  if (id === undefined) return;
  if (method === "initialize") {
    const serverInfo = { name: "busy", version: "1.0.0" };
    write({ id, result: { protocolVersion: "2025-11-25", capabilities: { tools: { listChanged: true } }, serverInfo } });
  } else if (method === "tools/list") {
    write({ id, result: { tools: TOOLS } });
    if (modes.has("dies")) setTimeout(() => process.exit(9), 500);
  } else if (method === "ping") write({ id, result: {} });
  else if (method === "tools/call") void call(message);
  else write({ id, error: { code: -32_601, message: "Method not found" } });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const message: Message = JSON.parse(line);
  answer(message);
});

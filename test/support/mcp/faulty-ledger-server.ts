/*
 * An MCP server over stdio, of the 2025 era and without an SDK, that keeps a ledger of what it was made to do: one JSON line per
 * execution, on disk before the answer. `LEDGER_FILE` names the file. What it does after the effect is in the arguments' `after`:
 * `answer`; `drop` (ends without an answer, the first time a key is seen); `twice` (answers two times); `half` (half a line, then
 * ends, the first time); `fail` (answers with an error and without an effect, the first time); `stall` (neither effect nor answer,
 * the first time); `hang` (never answers).
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

type Arguments = { entry: string; delayMs?: number; after?: "answer" | "drop" | "twice" | "half" | "fail" | "stall" | "hang" };
type Message = {
  id?: string | number;
  method?: string;
  params?: { name?: string; arguments?: Arguments; _meta?: Record<string, string> };
};

const file = process.env["LEDGER_FILE"] ?? "ledger.jsonl";
const failed = `${file}.failed`;
const write = (message: object): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const holds = (path: string, key: string): boolean => existsSync(path) && readFileSync(path, "utf8").includes(`"${key}"`);
const note = (path: string, line: object): void => appendFileSync(path, `${JSON.stringify(line)}\n`, { flush: true });

async function enter({ id, params }: Message): Promise<void> {
  const { entry = "", delayMs = 0, after = "answer" } = params?.arguments ?? {};
  const key = params?._meta?.["auterity.dev/idempotency-key"] ?? "";
  const isFirst = !holds(file, key);
  await sleep(delayMs);
  if ((after === "fail" || after === "stall") && !holds(failed, key)) {
    note(failed, { entry, key });
    if (after === "fail") write({ id, result: { content: [{ type: "text", text: "not this time" }], isError: true } });
    return;
  }
  note(file, { entry, key, pid: process.pid, at: Date.now() });
  await sleep(delayMs);
  const answer = { id, result: { content: [{ type: "text", text: entry }] } };
  if (after === "hang") return;
  if (isFirst && after === "drop") process.exit(0);
  if (isFirst && after === "half") {
    process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...answer }).slice(0, 20), () => process.exit(0));
    return;
  }
  write(answer);
  if (after === "twice") write(answer);
}

const TOOL = {
  name: "enter",
  description: "Writes an entry into the ledger.",
  inputSchema: { type: "object", properties: { entry: { type: "string" } }, required: ["entry"] },
};

function answer(message: Message): void {
  const { id, method } = message;
  if (id === undefined) return;
  if (method === "initialize") {
    const serverInfo = { name: "ledger", version: "1.0.0" };
    write({ id, result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo } });
  } else if (method === "tools/list") write({ id, result: { tools: [TOOL] } });
  else if (method === "ping") write({ id, result: {} });
  else if (method === "tools/call") void enter(message);
  else write({ id, error: { code: -32_601, message: "Method not found" } });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const message: Message = JSON.parse(line);
  answer(message);
});

/*
 * An MCP server over stdio that keeps a ledger of what it was made to do: one line per execution, on disk before the answer.
 * `LEDGER_FILE` names the file. Each call takes a few milliseconds before and after the effect, so that a kill hits both sides.
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const file = process.env["LEDGER_FILE"] ?? "ledger.txt";
const server = new McpServer({ name: "ledger", version: "1.0.0" });

server.registerTool(
  "enter",
  { description: "Writes an entry into the ledger.", inputSchema: z.object({ entry: z.string(), delayMs: z.number() }) },
  async ({ entry, delayMs }) => {
    await sleep(delayMs);
    appendFileSync(file, `${entry}\n`, { flush: true });
    await sleep(delayMs);
    return { content: [{ type: "text", text: entry }] };
  },
);
await server.connect(new StdioServerTransport());

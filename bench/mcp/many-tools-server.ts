/** A stdio server with a thousand tools: five of them make a catalogue. `node many-tools-server.ts <prefix>` */
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

export const TOOLS_PER_SERVER = 1_000;

const prefix = process.argv[2] ?? "tool";
const inputSchema = z.object({
  path: z.string().describe("Where to look"),
  limit: z.number().int().optional(),
  deep: z.boolean().optional(),
});

function newServer(): McpServer {
  const server = new McpServer({ name: prefix, version: "1.0.0" });
  for (let i = 0; i < TOOLS_PER_SERVER; i += 1) {
    const description = `Does thing number ${i} of ${prefix} with a path, up to a limit, and answers what it has found there.`;
    server.registerTool(`${prefix}_${i}`, { description, inputSchema }, () => ({ content: [{ type: "text", text: String(i) }] }));
  }
  return server;
}

if (process.argv[1]?.endsWith("many-tools-server.ts")) serveStdio(newServer);

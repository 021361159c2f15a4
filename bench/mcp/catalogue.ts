import { fileURLToPath } from "node:url";
import { createClient } from "#sdk/client.ts";
import { median } from "./measure.ts";
import { TOOLS_PER_SERVER } from "./many-tools-server.ts";
import { TOKEN } from "./processes.ts";

const SERVER = fileURLToPath(new URL("many-tools-server.ts", import.meta.url));
/** Unlike each other: a name like one of another server's would wait for a person to look at it. */
const SERVERS = ["alpha", "brook", "cedar", "delta", "ember"];

/** Registers five servers of a thousand tools each. */
export async function fillCatalogue(url: string): Promise<void> {
  const client = createClient({ url, token: TOKEN });
  for (const name of SERVERS) {
    const launch = {
      transport: "stdio" as const,
      command: process.execPath,
      args: ["--disable-warning=ExperimentalWarning", SERVER, name],
    };
    await client.createMcpServer({ body: { name, launch } });
  }
}

/** All tools through `/mcp`, page by page, and one search over all of them: ms each. */
export async function measureCatalogue(url: string, times: number): Promise<{ listMs: number; searchMs: number }> {
  const client = createClient({ url, token: TOKEN });
  const lists: number[] = [];
  const searches: number[] = [];
  for (let i = 0; i <= times; i += 1) {
    const began = performance.now();
    const listed = await listAll(url);
    const between = performance.now();
    const { items } = await client.listTools({ query: { q: "delta_77", limit: 50 } });
    const ended = performance.now();
    if (listed < SERVERS.length * TOOLS_PER_SERVER || items.length !== 11) throw new Error(`listed ${listed} tools, found ${items.length}`);
    if (i > 0) lists.push(between - began);
    if (i > 0) searches.push(ended - between);
  }
  return { listMs: median(lists), searchMs: median(searches) };
}

async function listAll(url: string): Promise<number> {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  let count = 0;
  let cursor: string | undefined;
  do {
    const response = await fetch(`${url}/mcp`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${TOKEN}`,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/list",
        params: { _meta: meta, ...(cursor !== undefined && { cursor }) },
      }),
    });
    const { result } = (await response.json()) as { result: { tools: unknown[]; nextCursor?: string } };
    count += result.tools.length;
    cursor = result.nextCursor;
  } while (cursor !== undefined);
  return count;
}

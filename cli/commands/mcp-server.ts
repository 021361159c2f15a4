import { Id } from "#contract/common.ts";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Client } from "#sdk/client.ts";
import { notice, printable, printDocument, type Format } from "../output.ts";

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

const NOT_UP: ReadonlySet<string> = new Set(["STARTING", "FAILED"]);

/** Says what has become of a server: what it offers, or why it does not run. Gives the exit code: 1 when it was to run and does not. */
export function tellServer(server: McpServer, output: Format): number {
  const { name, state, desired, launchApproved, lastError, toolCount } = server;
  const tools = state === "READY" ? ` It lists ${toolCount} tool${toolCount === 1 ? "" : "s"}.` : "";
  notice(`${name} is ${state}.${tools}`);
  if (output !== "table") printDocument(server, output);
  if (!launchApproved) {
    notice(`  What it would run or work in waits for approval: \`auterity mcp approve-launch ${name}\`.`);
    return 0;
  }
  if (desired !== "running" || lastError === null || !NOT_UP.has(state)) return 0;
  const hint = `\`auterity mcp test ${name}\` shows how far it gets.`;
  for (const line of [`${lastError.code}: ${lastError.message}`, `${lastError.remedy} ${hint}`]) notice(printable(`  ${line}`));
  return 1;
}

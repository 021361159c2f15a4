import type { Client } from "#sdk/client.ts";
import { printList, shortened, type Format } from "../output.ts";
import { readPair } from "./mcp-import.ts";
import { tellServer } from "./mcp-server.ts";

export async function listWellKnown(client: Client, words: readonly string[], output: Format): Promise<void> {
  const { items } = await client.listWellKnownServers({ query: { q: words.join(" "), limit: 200 } });
  printList(items, output, [
    ["ID", (server) => server.id],
    ["CATEGORY", (server) => server.category],
    ["ASKS FOR", (server) => server.inputs.map(({ id, required }) => (required ? id : `[${id}]`)).join(", ")],
    ["DESCRIPTION", (server) => shortened(server.description, 70)],
  ]);
}

type AddOptions = { name?: string; input?: string[]; env?: "production" | "test"; start?: boolean; output: Format };

/** Resolves with the exit code. */
export async function addWellKnown(client: Client, id: string, { output, ...options }: AddOptions): Promise<number> {
  const { name, input = [], env, start } = options;
  const server = await client.addWellKnownServer({
    params: { id },
    body: {
      inputs: Object.fromEntries(input.map(readPair)),
      ...(name !== undefined && { name }),
      ...(env && { environment: env }),
      ...(start === false && { start }),
    },
  });
  return tellServer(server, output);
}

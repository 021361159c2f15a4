import type { Client } from "#sdk/client.ts";
import { printDocument, printList, shortened, type Format } from "../output.ts";
import { readPair, tellStart } from "./mcp-import.ts";

export async function listWellKnown(client: Client, words: readonly string[], output: Format): Promise<void> {
  const { items } = await client.listWellKnownServers({ query: { q: words.join(" "), limit: 200 } });
  printList(items, output, [
    ["ID", (server) => server.id],
    ["CATEGORY", (server) => server.category],
    ["ASKS FOR", (server) => server.inputs.map(({ id, required }) => (required ? id : `[${id}]`)).join(", ")],
    ["DESCRIPTION", (server) => shortened(server.description, 70)],
  ]);
}

export type AddOptions = { name?: string; input?: string[]; env?: "production" | "test"; start?: boolean; output?: Format };

export async function addWellKnown(
  client: Client,
  id: string,
  { name, input = [], env, start, output = "table" }: AddOptions,
): Promise<void> {
  const server = await client.addWellKnownServer({
    params: { id },
    body: {
      inputs: Object.fromEntries(input.map(readPair)),
      ...(name !== undefined && { name }),
      ...(env && { environment: env }),
      ...(start === false && { start }),
    },
  });
  tellStart(server);
  if (output !== "table") printDocument(server, output);
}

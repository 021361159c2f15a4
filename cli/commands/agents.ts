import type { Client } from "#sdk/client.ts";
import { printList, type Format } from "../output.ts";

export async function listAgents(client: Client, output: Format): Promise<void> {
  const { items } = await client.listAgents({ query: { limit: 200 } });
  printList(items, output, [
    ["NAME", (agent) => agent.name],
    ["KIND", (agent) => agent.endpoint.kind],
    ["STATUS", (agent) => agent.status],
    ["SKILLS", (agent) => agent.skills.map((skill) => skill.name).join(", ")],
    ["VERSION", (agent) => agent.version],
  ]);
}

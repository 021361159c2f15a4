import type { LiveRun } from "#contract/versions.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { notice, printList, type Format } from "../output.ts";

export async function listWorkflows(client: Client, output: Format): Promise<void> {
  const { items } = await client.listWorkflows({ query: {} });
  printList(items, output, [
    ["ID", (workflow) => workflow.id],
    ["NAME", (workflow) => workflow.name],
    ["VERSION", (workflow) => workflow.version],
    ["UPDATED", (workflow) => workflow.updatedAt],
  ]);
}

export async function listVersions(client: Client, name: string, output: Format): Promise<void> {
  const { id } = await find(client, name);
  const { items } = await client.listWorkflowVersions({ params: { id }, query: {} });
  printList(items, output, [
    ["VERSION", (version) => version.version],
    ["CREATED", (version) => version.createdAt],
    ["BY", (version) => version.createdBy],
    ["HASH", (version) => version.hash.slice(0, 12)],
  ]);
}

export async function listLiveRuns(client: Client, name: string, output: Format): Promise<void> {
  const params = await find(client, name);
  const { items } = await client.listLiveRuns({ params, query: {} });
  printList(items, output, COLUMNS);
}

type Move = { pairs: readonly string[]; runIds?: string[]; output: Format };

/** Exit codes: 0 all were moved, 1 some were not. */
export async function moveRuns(client: Client, name: string, { pairs, runIds, output }: Move): Promise<number> {
  const params = await find(client, name);
  const nodes = Object.fromEntries(Object.entries(Object(readInput(pairs))).map(([old, now]) => [old, String(now)]));
  const { items } = await client.moveRuns({ params, body: { nodes, ...(runIds && { runIds }) } });
  printList(items, output, [["OUTCOME", (run) => run.outcome], ...COLUMNS]);
  const refused = items.filter(({ outcome }) => outcome === "refused").length;
  notice(`${items.length - refused} moved to version ${params.version}, ${refused} refused.`);
  return refused === 0 ? 0 : 1;
}

const COLUMNS: [string, (run: LiveRun) => unknown][] = [
  ["RUN", (run) => run.runId],
  ["VERSION", (run) => run.version],
  ["STATUS", (run) => run.status],
  ["VERDICT", (run) => run.verdict],
  ["WHY", (run) => run.reasons.map(({ message }) => message).join(" ")],
];

/** By id or by name, with the newest version. */
async function find(client: Client, name: string): Promise<{ id: string; version: number }> {
  const { items } = await client.listWorkflows({ query: { name, limit: 200 } });
  const named = items.find((item) => item.name.toLowerCase() === name.toLowerCase());
  if (named) return { id: named.id, version: named.version };
  const { id, version } = await client.getWorkflow({ params: { id: name } });
  return { id, version };
}

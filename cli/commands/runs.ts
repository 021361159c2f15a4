import type { Client } from "#sdk/client.ts";
import { notice, printDocument, printList, type Format } from "../output.ts";
import { follow } from "../progress.ts";

export async function listRuns(client: Client, options: { status?: string; limit: string; output: Format }): Promise<void> {
  const { items } = await client.listRuns({
    query: { limit: Number(options.limit), ...(options.status ? { status: options.status } : {}) },
  });
  printList(items, options.output, [
    ["ID", (run) => run.id],
    ["STATUS", (run) => run.status],
    ["WORKFLOW", (run) => run.workflowName],
    ["VERSION", (run) => run.version],
    ["CREATED", (run) => run.createdAt],
  ]);
}

export async function showRun(client: Client, id: string, output: Format): Promise<void> {
  printDocument(await client.getRun({ params: { id } }), output === "table" ? "yaml" : output);
}

export async function followRun(client: Client, id: string): Promise<number> {
  const run = await follow(client, id, notice);
  notice(run.status);
  return run.status === "succeeded" ? 0 : 1;
}

export async function cancelRun(client: Client, id: string, reason: string | undefined): Promise<void> {
  const run = await client.cancelRun({ params: { id }, body: reason === undefined ? {} : { reason } });
  notice(`${run.id} is ${run.status}.`);
}

export async function retryRun(client: Client, id: string): Promise<void> {
  const run = await client.retryRun({ params: { id }, headers: {} });
  notice(`Started ${run.id}.`);
}

type Answered = { answer: "happened" | "did_not_happen" | "run_again"; node?: string };
export async function resumeRun(client: Client, id: string, { answer, node }: Answered): Promise<void> {
  const run = await client.resumeRun({ params: { id }, body: { answer, ...(node ? { nodeId: node } : {}) } });
  notice(`${run.id} is ${run.status}.`);
}

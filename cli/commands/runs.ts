import { z } from "zod";
import { Json } from "#contract/common.ts";
import type { Run } from "#contract/runs.ts";
import type { Client } from "#sdk/client.ts";
import { readInput } from "../definition-file.ts";
import { notice, printDocument, printList, type Format } from "../output.ts";
import { follow } from "../progress.ts";

type Listed = { status?: string; limit: string; mode?: "production" | "editor"; dead?: boolean; output: Format };
export async function listRuns(client: Client, options: Listed): Promise<void> {
  const { status, limit, mode, dead } = options;
  const { items } = await client.listRuns({
    query: { limit: Number(limit), ...(status && { status }), ...(mode && { mode }), ...(dead && { dead: "true" }) },
  });
  printList(items, options.output, [
    ["ID", (run) => run.id],
    ["STATUS", (run) => (run.dead ? "dead" : run.status)],
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
  tell(await client.cancelRun({ params: { id }, body: reason === undefined ? {} : { reason } }));
}

export async function retryRun(client: Client, id: string, { from }: { from?: "failed" | "start" } = {}): Promise<void> {
  const run = await client.retryRun({ params: { id }, headers: {}, ...(from && { body: { from } }) });
  notice(`Started ${run.id}.`);
}

const Keys = z.record(z.string(), Json);
type Forked = { scope?: string; input?: string[]; context?: string[] };
export async function forkRun(client: Client, id: string, { node, scope, input, context }: Forked & { node: string }): Promise<void> {
  const body = {
    from: { nodeId: node, ...(scope !== undefined && { scope }) },
    ...(input && { input: Json.parse(readInput(input)) }),
    ...(context && { context: Keys.parse(readInput(context)) }),
  };
  const run = await client.forkRun({ params: { id }, headers: {}, body });
  notice(`Started ${run.id}.`);
}

const tell = ({ id, status }: Run): void => notice(`${id} is ${status}.`);

export async function pauseRun(client: Client, id: string, reason: string | undefined): Promise<void> {
  tell(await client.pauseRun({ params: { id }, body: reason === undefined ? {} : { reason } }));
}

type Answered = { answer?: "happened" | "did_not_happen" | "run_again"; node?: string };
/** Without an answer, a paused run goes on. */
export async function resumeRun(client: Client, id: string, { answer, node }: Answered): Promise<void> {
  if (node !== undefined && answer === undefined) throw new Error("Expected --answer with --node: only a question is one node's.");
  tell(await client.resumeRun({ params: { id }, ...(answer && { body: { answer, ...(node !== undefined && { nodeId: node }) } }) }));
}

export async function signalRun(client: Client, { id, signal }: { id: string; signal: string }, payload: readonly string[]): Promise<void> {
  const body = payload.length === 0 ? {} : { payload: Json.parse(readInput(payload)) };
  tell(await client.signalRun({ params: { id, signal }, body }));
}

export async function requeueRun(client: Client, id: string): Promise<void> {
  tell(await client.requeueRun({ params: { id } }));
}

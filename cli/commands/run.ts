import { basename } from "node:path";
import pc from "picocolors";
import { Json } from "#contract/common.ts";
import type { Client } from "#sdk/client.ts";
import { withPlatform, type ConnectOptions } from "../connection.ts";
import { readDocument, readInput } from "../definition-file.ts";
import { notice, printDocument, printable, type Format } from "../output.ts";
import { follow } from "../progress.ts";

/** Exit codes: 0 succeeded, 1 failed or cancelled, 3 waits for a person. */
export async function runFile(file: string, input: readonly string[], options: ConnectOptions & { output: Format }): Promise<number> {
  const definition = Json.parse(readDocument(file));
  const runInput = Json.parse(readInput(input));
  return withPlatform(options, async (client) => {
    const workflow = await saveWorkflow(client, nameOf(definition, file), definition);
    notice(`${pc.bold(workflow.name)} version ${workflow.version}`);
    const started = await client.startRun({ params: { id: workflow.id }, body: { input: runInput }, headers: {} });
    notice(pc.dim(`run ${started.id}`));
    const run = await follow(client, started.id, notice);
    if (run.status === "succeeded") printDocument(run.output, options.output === "table" ? "yaml" : options.output);
    else if (run.error) notice(`${pc.red(run.status)} ${run.error.code}: ${printable(run.error.message)}\n${run.error.remedy}`);
    else notice(pc.yellow(run.status));
    if (run.status === "succeeded") return 0;
    return run.questions.length > 0 ? 3 : 1;
  });
}

/** Saves the definition under its name: a new workflow, or a new version of the one that has the name. */
export async function saveWorkflow(client: Client, name: string, definition: Json): Promise<{ id: string; name: string; version: number }> {
  const { items } = await client.listWorkflows({ query: { name, limit: 1 } });
  const existing = items.find((item) => item.name === name);
  if (existing) return client.updateWorkflow({ params: { id: existing.id }, body: { definition } });
  return client.createWorkflow({ body: { name, definition } });
}

function nameOf(definition: Json, file: string): string {
  const named = typeof definition === "object" && definition !== null && !Array.isArray(definition) ? definition["name"] : undefined;
  return typeof named === "string" ? named : basename(file).replace(/\.[a-z]+$/, "");
}

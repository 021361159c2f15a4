import { z } from "zod";
import { StepError } from "#contract/journal.ts";
import { isFinal, type Question, type Run, type RunContext } from "#contract/runs.ts";
import { patchContext, type RunState } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import type { Tx, ValueCodec } from "../kernel/ports.ts";
import type { PlanSource } from "./ports.ts";
import { runRowName } from "./driver/row-names.ts";
import { readMoves, readPatches, readQuestions } from "./store/journal.pg.ts";
import { findRun, type RunRecord } from "./store/runs.pg.ts";

const RunError = StepError.extend({ nodeId: z.string().optional(), scope: z.string().optional() });

export const runNotFound = (id: string): AppError => new AppError("not_found", `There is no run ${id}.`);

/** The run with its values; throws `not_found`. The codec must be prepared for the tenant. */
export async function readRun(tx: Tx, codec: ValueCodec, id: string): Promise<Run> {
  const record = await findRun(tx, id);
  if (!record) throw runNotFound(id);
  const mayAsk = !isFinal(record.status);
  const questions = mayAsk ? await questionsOf(tx, codec, id) : [];
  return toRun(record, codec, questions);
}

/** The steps that wait for an answer or a decision, in the order of scope and node. */
export async function questionsOf(tx: Tx, codec: ValueCodec, runId: string): Promise<Question[]> {
  const questions: Question[] = [];
  for (const event of await readQuestions(tx, codec, runId)) {
    if (event.kind !== "step_parked" || event.nodeId === null) continue;
    const { question, error } = event.body;
    questions.push({ scope: event.scope, nodeId: event.nodeId, question, ...(error && { code: error.code }), since: event.at });
  }
  return questions;
}

type Subject = { record: RunRecord; plans: PlanSource };

/** The run's context: what its changes add up to, in the order in which the run took them up. */
export async function readContext(tx: Tx, codec: ValueCodec, { record, plans }: Subject): Promise<RunContext> {
  const { id: runId, tenantId, workflowId } = record;
  const nodeIds: string[] = [];
  for (const version of await versionsOf(tx, codec, record)) {
    const { definition } = await plans.loadPlan({ tenantId, workflowId, version });
    nodeIds.push(...definition.nodes.flatMap(({ id, type }) => (type === "context" ? [id] : [])));
  }
  let context: RunState["context"] = { version: 0, values: {} };
  for (const event of await readPatches(tx, codec, { runId, nodeIds })) {
    if (event.kind === "context_patched") context = patchContext(context, event.body.patch);
    else if (event.kind === "step_succeeded" && event.body.patch) context = patchContext(context, event.body.patch);
  }
  return { runId, version: context.version, values: { ...context.values } };
}

/** Those that the run has followed so far. */
async function versionsOf(tx: Tx, codec: ValueCodec, { id, version }: RunRecord): Promise<Set<number>> {
  const moves = await readMoves(tx, codec, id);
  return new Set([version, ...moves.flatMap((event) => (event.kind === "version_moved" ? [event.body.from, event.body.to] : []))]);
}

function toRun(record: RunRecord, codec: ValueCodec, questions: Question[]): Run {
  const { tenantId, isConfidential: _isConfidential, input, output, error, ...summary } = record;
  const value = (column: "input" | "output" | "error", bytes: Buffer) =>
    codec.decode(bytes, { tenantId, row: runRowName(record.id, column) });
  return {
    ...summary,
    input: value("input", input),
    output: output && value("output", output),
    error: error && RunError.parse(value("error", error)),
    questions,
  };
}

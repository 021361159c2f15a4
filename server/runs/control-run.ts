import type { Json } from "#contract/common.ts";
import type { Answer } from "#contract/journal.ts";
import { isFinal, type Run, type RunContext } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { Tx } from "../kernel/ports.ts";
import type { UseCaseDeps } from "./deps.ts";
import { inboxRowName } from "./driver/row-names.ts";
import { questionsOf, readContext, readRun, runNotFound } from "./read-run.ts";
import { findRun, sendMessage, type RunRecord } from "./store/runs.pg.ts";

type Deps = UseCaseDeps & {
  /** The run's inbox has something; heard only by a holder in this process. */
  wake: (runId: string) => void;
};
type Speaker = { tenantId: string; actor: string; runId: string };

/** Asks a run to stop. A second request while it is stopping changes nothing. */
export const cancelRun =
  (deps: Deps) =>
  async ({ tenantId, actor, runId, reason }: Speaker & { reason?: string | undefined }): Promise<Run> => {
    await deps.codec.prepare(tenantId);
    const run = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      if (record.status === "cancelling") return readRun(tx, deps.codec, runId);
      const body = { by: actor, ...(reason !== undefined && { reason: deps.redactor.text(reason) }) };
      const isSent = !isFinal(record.status) && (await send(deps, tx, { record, kind: "cancel", body }));
      if (!isSent) throw new AppError("run_transition_invalid", `Run ${runId} is over; it cannot be cancelled any more.`);
      await deps.audit.record(tx, { tenantId, actor, action: "run.cancel_requested", target: `run:${runId}` });
      return readRun(tx, deps.codec, runId);
    });
    deps.wake(runId);
    return run;
  };

export type AnswerRequest = Speaker & {
  answer: Answer;
  nodeId?: string | undefined;
  scope?: string | undefined;
  output?: Json | undefined;
};

/** Answers the questions of a run that waits: one step's, or all. */
export const resumeRun =
  (deps: Deps) =>
  async ({ tenantId, actor, runId, answer, nodeId, scope, output }: AnswerRequest): Promise<Run> => {
    await deps.codec.prepare(tenantId);
    const run = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      const open = isFinal(record.status) ? [] : await questionsOf(tx, deps.codec, runId);
      const meant = open.filter((question) => isMeant(question, { nodeId, scope }));
      const which = { ...(nodeId !== undefined && { nodeId }), ...(scope !== undefined && { scope }) };
      const body = { by: actor, answer, ...which, ...(output !== undefined && { output: deps.redactor.json(output) }) };
      const isSent = meant.length > 0 && (await send(deps, tx, { record, kind: "answer", body }));
      if (!isSent) throw new AppError("run_not_waiting", `Run ${runId} has no such question to answer; it is ${record.status}.`);
      await deps.audit.record(tx, { tenantId, actor, action: "run.answered", target: `run:${runId}`, details: { answer, ...which } });
      return readRun(tx, deps.codec, runId);
    });
    deps.wake(runId);
    return run;
  };

type Patch = Speaker & { set: Record<string, Json> };

/** Changes the context of a run that is not over; the run itself takes the change up. Answers with the context as it is now. */
export const patchContext =
  (deps: Deps) =>
  async ({ tenantId, actor, runId, set }: Patch): Promise<RunContext> => {
    await deps.codec.prepare(tenantId);
    const context = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      const body = { by: actor, patch: deps.redactor.json(set) };
      const isSent = !isFinal(record.status) && (await send(deps, tx, { record, kind: "context", body }));
      if (!isSent) throw new AppError("run_transition_invalid", `Run ${runId} is over; its context does not change any more.`);
      const keys = Object.keys(set);
      await deps.audit.record(tx, { tenantId, actor, action: "run.context_patched", target: `run:${runId}`, details: { keys } });
      return readContext(tx, deps.codec, runId);
    });
    deps.wake(runId);
    return context;
  };

type Which = { nodeId?: string | undefined; scope?: string | undefined };
const isMeant = (question: { nodeId: string; scope: string }, { nodeId, scope }: Which): boolean =>
  (nodeId === undefined || question.nodeId === nodeId) && (scope === undefined || question.scope === scope);

async function mustFind(tx: Tx, runId: string): Promise<RunRecord> {
  const record = await findRun(tx, runId);
  if (!record) throw runNotFound(runId);
  return record;
}

type Outgoing = { record: RunRecord; kind: "cancel" | "answer" | "context"; body: Json };
async function send({ newId, codec }: Deps, tx: Tx, { record, kind, body }: Outgoing): Promise<boolean> {
  const id = newId();
  const { id: runId, tenantId, isConfidential } = record;
  const bytes = codec.encode(body, { tenantId, row: inboxRowName(id), confidential: isConfidential });
  return sendMessage(tx, { runId, id, tenantId, kind, body: bytes });
}

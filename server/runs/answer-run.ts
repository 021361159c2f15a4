import type { Json } from "#contract/common.ts";
import type { Answer } from "#contract/journal.ts";
import { isFinal, type Run } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import { questionsOf, readRun } from "./read-run.ts";
import { mustFind, speak, type SpeakDeps, type Speaker } from "./send-message.ts";

type Which = { nodeId?: string | undefined; scope?: string | undefined };
export type AnswerRequest = Speaker & Which & { answer: Answer; output?: Json | undefined };

/** Answers the questions of a run that waits: one step's, or all. */
export const answerRun =
  (deps: SpeakDeps) =>
  async ({ tenantId, actor, runId, answer, nodeId, scope, output }: AnswerRequest): Promise<Run> => {
    await deps.codec.prepare(tenantId);
    const run = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      const open = isFinal(record.status) ? [] : await questionsOf(tx, deps.codec, runId);
      const meant = open.filter((question) => isMeant(question, { nodeId, scope }));
      const which = { ...(nodeId !== undefined && { nodeId }), ...(scope !== undefined && { scope }) };
      const body = { by: actor, answer, ...which, ...(output !== undefined && { output: deps.redactor.json(output) }) };
      const isSent = meant.length > 0 && (await speak(deps, tx, { record, kind: "answer", body }));
      if (!isSent) throw new AppError("run_not_waiting", `Run ${runId} has no such question to answer; it is ${record.status}.`);
      await deps.audit.record(tx, { tenantId, actor, action: "run.answered", target: `run:${runId}`, details: { answer, ...which } });
      return readRun(tx, deps.codec, runId);
    });
    deps.wake(runId);
    return run;
  };

const isMeant = (question: { nodeId: string; scope: string }, { nodeId, scope }: Which): boolean =>
  (nodeId === undefined || question.nodeId === nodeId) && (scope === undefined || question.scope === scope);

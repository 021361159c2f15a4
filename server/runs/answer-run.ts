import type { Json } from "#contract/common.ts";
import type { Answer } from "#contract/journal.ts";
import { isFinal, type Run } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import { isAnswerTo } from "./driver/take-inbox.ts";
import { questionsOf, readRun } from "./read-run.ts";
import type { getRun } from "./show-runs.ts";
import { mustFind, speak, type SpeakDeps, type Speaker } from "./send-message.ts";

type Which = { nodeId?: string | undefined; scope?: string | undefined };
export type AnswerRequest = Speaker & Which & { answer: Answer; output?: Json | undefined; code?: string | undefined };

/** Answers the questions of a run that waits: one step's, or all. */
export const answerRun =
  (deps: SpeakDeps) =>
  async ({ tenantId, actor, runId, answer, nodeId, scope, output, code }: AnswerRequest): Promise<Run> => {
    await deps.codec.prepare(tenantId);
    const run = await deps.database.asTenant(tenantId, async (tx) => {
      const record = await mustFind(tx, runId);
      const open = isFinal(record.status) ? [] : await questionsOf(tx, deps.codec, runId);
      const meant = open.filter((question) => isMeant(question, { nodeId, scope }) && isAnswerTo({ code, nodeId }, question));
      const which = { ...(nodeId !== undefined && { nodeId }), ...(scope !== undefined && { scope }), ...(code !== undefined && { code }) };
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

type Waiting = { tenantId: string; runId: string; nodeId: string; scope: string; code: string };

/**
 * Lets a step try again that waits for this and has not taken effect. `not_waiting`: it does not wait, or not yet; `later`: nobody takes
 * up what the run is told.
 */
export const resumeStep =
  ({ answer, get }: { answer: ReturnType<typeof answerRun>; get: ReturnType<typeof getRun> }) =>
  async (step: Waiting): Promise<"resumed" | "not_waiting" | "later" | "over"> => {
    try {
      await answer({ ...step, actor: "system:runs", answer: "did_not_happen" });
      return "resumed";
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      if (thrown.code === "not_found") return "over";
      if (thrown.code === "run_not_waiting") return isFinal((await get(step.tenantId, step.runId)).status) ? "over" : "not_waiting";
      if (thrown.code === "run_dead" || thrown.code === "inbox_full") return "later";
      throw thrown;
    }
  };

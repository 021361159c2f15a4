import type { EventDraft } from "#contract/journal.ts";
import { stepKey, type Command } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { DriverContext } from "./context.ts";
import { appendEvents } from "./events.ts";
import { abortKey, committing, workKey, type LiveRun, type Work } from "./live-run.ts";

type Abort = Extract<Command, { kind: "abort" }>;

/**
 * Ends a step's call and records what is known of it: `cancelled` when nothing was sent or nothing could have changed,
 * else `outcome_unknown`. The other side is told by the call's signal; its answer is not waited for. A result that is
 * already on its way to the journal stands.
 */
export function abortStep(context: DriverContext, run: LiveRun, command: Abort): void {
  const key = abortKey(command);
  const work = run.underWay.get(workKey(command));
  if (run.underWay.has(key) || work?.phase === "committing") return;
  const outcome = knownOutcome(run, command, work);
  if (work) {
    work.isDropped = true;
    work.controller?.abort(new AppError("step_cancelled", command.reason));
  }
  run.underWay.set(key, committing());
  const { scope, nodeId, attempt, reason } = command;
  const draft: EventDraft = { kind: "step_cancelled", body: { outcome, reason }, scope, nodeId, attempt };
  appendEvents(context, run, {
    drafts: [draft],
    onFolded: () => {
      run.underWay.delete(key);
      run.underWay.delete(workKey(command));
    },
  });
}

function knownOutcome(run: LiveRun, command: Abort, work: Work | undefined): "cancelled" | "outcome_unknown" {
  const step = run.state.steps.get(stepKey(command.scope, command.nodeId));
  const wasSent = work ? work.phase === "open" || work.phase === "starting" : step?.status === "running" || step?.status === "parked";
  const effect = work?.effect ?? step?.effect;
  return !wasSent || effect === "none" || effect === "idempotent" ? "cancelled" : "outcome_unknown";
}

/*
 * Compensation: when a run has failed or is cancelled and its calls have ended, the steps that have succeeded and name a
 * `compensate` node are undone, the last first, one after another. What cannot be undone is noted, and the next one follows.
 */
import type { StepPlace } from "#contract/journal.ts";
import { planNodeOf, stepOf } from "./state.ts";
import type { RunState, StepState } from "./types.ts";

/** The steps to undo, in that order. A step that has failed itself counts when its policy says so: it may have half happened. */
export function stepsToUndo(state: RunState): StepPlace[] {
  const done: StepState[] = [];
  for (const step of state.steps.values()) {
    const { compensate, onError } = state.plan.nodes.get(step.nodeId)?.node.policy ?? {};
    if (compensate === undefined || step.endedSeq === undefined) continue;
    if (step.status === "succeeded" || (step.status === "failed" && onError === "compensate")) done.push(step);
  }
  return done.sort((a, b) => (b.endedSeq ?? 0) - (a.endedSeq ?? 0)).map(({ scope, nodeId }) => ({ scope, nodeId }));
}

export function beginUndoing(state: RunState, steps: readonly StepPlace[]): void {
  state.undo = { queue: [...steps], failed: [] };
  beginNext(state);
}

/** A step that undoes another has ended: so has this one's undoing. */
export function undoNext(state: RunState, step: StepState): void {
  const done = state.undo?.queue.shift();
  if (done && step.status !== "succeeded") state.undo?.failed.push(done);
  beginNext(state);
}

function beginNext(state: RunState): void {
  const [next] = state.undo?.queue ?? [];
  if (!next) return;
  const step = undoingStep(state, next);
  step.isUndoing = true;
  step.status = "ready";
  state.active.add(step);
}

function undoingStep(state: RunState, { scope, nodeId }: StepPlace): StepState {
  const { compensate } = planNodeOf(state, nodeId).node.policy ?? {};
  if (compensate === undefined) throw new Error(`The journal undoes ${nodeId}, which nothing undoes.`);
  return stepOf(state, scope, compensate);
}

/** Places that are not undone when the run ends now: those whose undoing failed and, when it is cut short, those still to come. */
export function notUndone(state: RunState): StepPlace[] {
  if (state.undo) return [...state.undo.failed, ...state.undo.queue];
  return state.isForced ? stepsToUndo(state) : [];
}

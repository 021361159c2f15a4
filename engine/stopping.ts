/*
 * What does not happen any more. When a scope fails, a run is cancelled or a join goes on without a branch, steps that have not
 * begun or only wait are dropped; open calls stay until the driver has ended them and said what became of them.
 */
import { isOutside } from "./plan.ts";
import { isWithin, planNodeOf, scopeOf } from "./state.ts";
import type { RunState, Scope, StepState } from "./types.ts";

/** Whether the step counts as an open call: one to the outside, or a child run that it waits for. */
export const hasCall = (state: RunState, { status, nodeId, waiting }: StepState): boolean =>
  (status === "running" && isOutside(planNodeOf(state, nodeId).type)) || (status === "waiting" && waiting?.childRunId !== undefined);

/** Takes the step out of everything that acts on it, and its open call out of the counts. */
export function release(state: RunState, step: StepState): void {
  if (hasCall(state, step)) addCall(scopeOf(state, step.scope), -1);
  state.active.delete(step);
  state.idle.delete(step);
}

export function addCall(scope: Scope, count: number): void {
  for (let at: Scope | null = scope; at; at = at.parent) at.calls += count;
}

/** The scope fails by this step, unless it has failed before. */
export function failScope(state: RunState, scope: Scope, { error, nodeId, scope: path }: StepState): void {
  if (error === undefined || scope.failure) return;
  scope.failure = { ...error, nodeId, scope: path };
  dropWaiting(state, scope);
}

/** Forgets what has not begun or only waits, in `scope` (or everywhere): it will not happen. Steps that undo others go on. */
export function dropWaiting(state: RunState, scope: Scope | undefined): void {
  for (const step of [...state.active, ...state.idle]) {
    if (step.isUndoing || hasCall(state, step)) continue;
    if (scope && !isWithin(state.scopes.get(step.scope) ?? null, scope)) continue;
    state.active.delete(step);
    state.idle.delete(step);
    step.status = "cancelled";
    delete step.question;
    delete step.waiting;
  }
}

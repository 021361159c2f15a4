/*
 * The end of a step and all that it decides: edges, steps that become ready or are skipped, joins that go on without the
 * rest, the scope.
 */
import type { Json } from "#contract/common.ts";
import type { StepError } from "#contract/journal.ts";
import { openScopesOf, settleScope } from "./containers.ts";
import { isContainer } from "./plan.ts";
import { isStopping, planNodeOf, scopeOf, stepKey, stepOf } from "./state.ts";
import { dropWaiting, failScope, hasCall, release } from "./stopping.ts";
import type { PlanNode, RunState, Scope, StepState } from "./types.ts";
import { undoNext } from "./undo.ts";

export type Ending = { status: "succeeded" | "failed" | "skipped" | "cancelled"; output?: Json; error?: StepError; handle?: string };

export function endStep(state: RunState, first: StepState, ending: Ending): void {
  const scope = scopeOf(state, first.scope);
  endAll(state, scope, [[first, ending]]);
  settleScope(state, scope);
}

function endAll(state: RunState, scope: Scope, toEnd: [StepState, Ending][]): void {
  // A work list instead of recursion: a chain of skipped nodes can be as long as the definition.
  for (let next = toEnd.pop(); next; next = toEnd.pop()) {
    const [step, how] = next;
    if (step.endedAt !== undefined) continue;
    release(state, step);
    become(step, how, state);
    if (step.isUndoing) {
      undoNext(state, step);
      continue;
    }
    scope.ended += 1;
    if (how.status === "failed" && how.handle === undefined) failScope(state, scope, step);
    keepIfUndoable(state, scope, step);
    if (!isStopping(state, scope)) toEnd.push(...resolveEdges(state, scope, step));
  }
}

/** Written out: this happens once a step, and generic copies cost as much as all the rest. */
function become(step: StepState, { status, output, error, handle }: Ending, { at, seq }: RunState): void {
  step.status = status;
  if (output !== undefined) step.output = output;
  if (error !== undefined) step.error = error;
  if (handle !== undefined) step.handle = handle;
  step.endedAt = at;
  step.endedSeq = seq;
  if (step.waiting !== undefined) delete step.waiting;
  if (step.question !== undefined) delete step.question;
}

/**
 * Says anew, in a scope whose graph has changed, what the steps that have ended mean for the others. Those that have begun stay
 * as they are; a join among them needs no more branches.
 */
export function layOut(state: RunState, scope: Scope): void {
  const begun = scope.body.nodes.flatMap((node) => {
    const step = state.steps.get(stepKey(scope.path, node.id));
    return step ? [{ node, step: Object.assign(step, { resolved: 0, live: 0 }) }] : [];
  });
  const ended = begun.filter(({ step }) => step.endedAt !== undefined);
  scope.ended = ended.length;
  for (const { id } of scope.body.entries) beginEntry(state, scope, id);
  for (const { node } of begun) if (node.join) endAll(state, scope, dropLosers(state, scope, node.join.losers));
  for (const { step } of ended) {
    keepIfUndoable(state, scope, step);
    endAll(state, scope, resolveEdges(state, scope, step));
  }
  settleScope(state, scope);
}

function beginEntry(state: RunState, scope: Scope, nodeId: string): void {
  const step = stepOf(state, scope.path, nodeId);
  if (step.status !== "pending") return;
  step.status = "ready";
  state.active.add(step);
}

/** A scope with something to undo stays in the state until the run is over. */
function keepIfUndoable(state: RunState, scope: Scope, { nodeId, status }: StepState): void {
  const { compensate, onError } = planNodeOf(state, nodeId).node.policy ?? {};
  if (compensate === undefined || !(status === "succeeded" || (status === "failed" && onError === "compensate"))) return;
  for (let at: Scope | null = scope; at; at = at.parent) at.isUndoable = true;
}

/** Tells every target which of its edges is resolved; returns the steps that end thereby. */
function resolveEdges(state: RunState, scope: Scope, step: StepState): [StepState, Ending][] {
  const ending: [StepState, Ending][] = [];
  for (const { handle, target } of planNodeOf(state, step.nodeId).outgoing) {
    const next = stepOf(state, scope.path, target.id);
    next.resolved += 1;
    if (handle === step.handle) next.live += 1;
    if (next.status === "pending") ending.push(...afterEdge(state, scope, { next, target }));
  }
  return ending;
}

type Reached = { next: StepState; target: PlanNode };
function afterEdge(state: RunState, scope: Scope, { next, target }: Reached): [StepState, Ending][] {
  const isJoined = target.join !== null && next.live >= target.join.needed;
  if (!isJoined && next.resolved < target.incoming) return [];
  if (next.live === 0) return [[next, { status: "skipped" }]];
  next.status = "ready";
  state.active.add(next);
  return isJoined && target.join ? dropLosers(state, scope, target.join.losers) : [];
}

/** What has no open call ends at once; the rest is marked, and ends when its call does. */
function dropLosers(state: RunState, scope: Scope, losers: readonly string[]): [StepState, Ending][] {
  const ending: [StepState, Ending][] = [];
  for (const nodeId of losers) {
    const step = stepOf(state, scope.path, nodeId);
    if (step.endedAt !== undefined) continue;
    if (isContainer(planNodeOf(state, nodeId).type)) dropInside(state, step);
    if (hasCall(state, step) || openScopesOf(state, step).length > 0) step.isUnwanted = true;
    else ending.push([step, { status: step.status === "pending" ? "skipped" : "cancelled" }]);
  }
  return ending;
}

function dropInside(state: RunState, container: StepState): void {
  container.isUnwanted = true;
  for (const inner of openScopesOf(state, container)) {
    inner.isUnwanted = true;
    dropWaiting(state, inner);
    settleScope(state, inner);
  }
}

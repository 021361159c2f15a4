/*
 * The fold: one event in, the state changed by exactly what the event says.
 *
 *   pending ──(all incoming edges resolved, one live)──▶ ready ──▶ running ──▶ succeeded | failed | cancelled
 *      └──────(all incoming edges dead)──▶ skipped          ▲          ├──▶ retrying (until a time) ──▶ running
 *                                                           └──────────┴──▶ parked (until an answer)
 *
 * An edge is live when its source went on by the edge's handle. A failure that no handle takes ends its scope: an item of a
 * map, or the run. A scope is over when all its steps have ended, or it has failed and no call is open in it.
 */
import type { Json } from "#contract/common.ts";
import type { EventBody, JournalEvent, StepError } from "#contract/journal.ts";
import { finishRun, patchContext } from "./evolve-run.ts";
import { closeItem, openItems } from "./map-items.ts";
import { isOutside } from "./plan.ts";
import { initialState, isStopping, isWithin, planNodeOf, scopeOf, stepOf } from "./state.ts";
import type { Plan, RunState, Scope, StepState } from "./types.ts";

/** Applies the next event. Changes and returns `state`; costs O(edges touched). Throws when the journal has a gap. */
export function evolve(state: RunState, event: JournalEvent): RunState {
  if (event.seq !== state.seq + 1) throw new Error(`The journal goes on with ${event.seq}, expected ${state.seq + 1}.`);
  state.seq = event.seq;
  state.epoch = event.epoch;
  state.at = event.at;
  if (event.nodeId === null) applyToRun(state, event);
  else applyToStep(state, event, stepOf(state, event.scope, event.nodeId));
  if (state.status === "running" && state.active.size === 0 && state.idle.size > 0) state.status = "waiting";
  else if (state.status === "waiting" && state.active.size > 0) state.status = "running";
  return state;
}

/** The state after all of `events`, which begin at the first. */
export function fold(plan: Plan, events: Iterable<JournalEvent>, runId = ""): RunState {
  let state = initialState(plan, runId);
  for (const event of events) state = evolve(state, event);
  return state;
}

function applyToRun(state: RunState, event: JournalEvent): void {
  switch (event.kind) {
    case "run_created":
      state.workflowId = event.body.workflowId;
      state.version = event.body.version;
      state.input = event.body.input;
      beginTop(state);
      break;
    case "run_claimed":
      if (state.status === "queued") state.status = "running";
      break;
    case "cancel_requested":
      state.status = "cancelling";
      state.cancel ??= event.body.reason === undefined ? {} : { reason: event.body.reason };
      dropWaiting(state, undefined);
      break;
    case "context_patched":
      state.context = patchContext(state.context, event.body.patch);
      break;
    case "run_succeeded":
    case "run_failed":
    case "run_cancelled":
      finishRun(state, event);
      break;
    default:
      throw new Error(`The event ${event.kind} must name a node.`);
  }
}

/** The start node needs no event of its own: it ends as the run is created, and its output is the input. */
function beginTop(state: RunState): void {
  const body = state.plan.bodies.get(null);
  if (!body) return;
  const top: Scope = { path: "", body, mapId: null, parent: null, ended: 0, calls: 0, closed: false };
  state.scopes.set("", top);
  for (const node of body.entries) {
    const step = stepOf(state, "", node.id);
    step.startedAt = state.at;
    end(state, step, { status: "succeeded", output: state.input, handle: "success" });
  }
}

function applyToStep(state: RunState, event: JournalEvent, step: StepState): void {
  switch (event.kind) {
    case "step_started":
      began(state, step, event);
      break;
    case "step_bound":
      step.binding = event.body.binding;
      break;
    case "step_handle":
      step.taskHandle = event.body.handle;
      break;
    case "step_succeeded":
      step.attempt = event.attempt;
      end(state, step, { status: "succeeded", output: event.body.output, handle: event.body.handle });
      break;
    case "step_failed":
      step.attempt = event.attempt;
      applyFailure(state, step, event.body);
      break;
    case "step_cancelled":
      end(state, step, { status: "cancelled", ...(event.body.outcome === "outcome_unknown" ? { error: OUTCOME_UNKNOWN } : {}) });
      break;
    case "step_parked":
      park(state, step, event.body.question);
      break;
    case "step_answered":
      applyAnswer(state, step, event.body);
      break;
    case "map_started":
      state.active.delete(step);
      step.status = "running";
      step.startedAt = state.at;
      step.map = { ...event.body, next: 0, active: 0, done: 0, results: [] };
      openItems(state, step, settleScope);
      break;
    default:
      throw new Error(`The event ${event.kind} cannot name a node.`);
  }
}

const OUTCOME_UNKNOWN: StepError = {
  code: "step_in_doubt",
  message: "The call was cut off by a cancellation; whether it took effect is not known.",
  remedy: "Look at the other side before you start this work again.",
  retryable: false,
};

function began(state: RunState, step: StepState, event: JournalEvent & { kind: "step_started" }): void {
  const { input, effect, key, generation } = event.body;
  if (step.status !== "running") addCall(scopeOf(state, step.scope), 1);
  state.idle.delete(step);
  state.active.add(step);
  step.startedAt ??= event.at;
  Object.assign(step, {
    status: "running",
    input,
    effect,
    key,
    generation,
    attempt: event.attempt,
    retryAt: undefined,
    taskHandle: undefined,
  });
}

/** When the run is stopping anyway, nobody needs the answer: the step ends, its outcome unknown. */
function park(state: RunState, step: StepState, question: string): void {
  if (isStopping(state, scopeOf(state, step.scope))) return end(state, step, { status: "cancelled", error: OUTCOME_UNKNOWN });
  release(state, step);
  step.status = "parked";
  step.question = question;
  state.idle.add(step);
}

function applyFailure(state: RunState, step: StepState, { error, retryAt, handle, output }: EventBody<"step_failed">): void {
  step.error = error;
  if (retryAt !== undefined && !isStopping(state, scopeOf(state, step.scope))) {
    release(state, step);
    step.status = "retrying";
    step.retryAt = retryAt;
    state.idle.add(step);
  } else if (handle !== undefined) {
    end(state, step, { status: "failed", error, handle, ...(output === undefined ? {} : { output }) });
  } else {
    end(state, step, { status: "failed", error });
  }
}

function applyAnswer(state: RunState, step: StepState, { answer, output }: EventBody<"step_answered">): void {
  delete step.question;
  if (answer === "happened") return end(state, step, { status: "succeeded", output: output ?? null, handle: "success" });
  state.idle.delete(step);
  state.active.add(step);
  step.status = "ready";
  if (answer === "run_again") Object.assign(step, { generation: step.generation + 1, attempt: 1, key: undefined });
  else step.attempt += 1;
}

/** Takes the step out of everything that acts on it, and its open call out of the counts. */
function release(state: RunState, step: StepState): void {
  if (step.status === "running" && isOutside(planNodeOf(state, step.nodeId).type)) addCall(scopeOf(state, step.scope), -1);
  state.active.delete(step);
  state.idle.delete(step);
}

function addCall(scope: Scope, count: number): void {
  for (let at: Scope | null = scope; at; at = at.parent) at.calls += count;
}

type Ending = { status: "succeeded" | "failed" | "skipped" | "cancelled"; output?: Json; error?: StepError; handle?: string };

/** Ends the step and everything that this decides: edges, steps that become ready or are skipped, the scope. */
function end(state: RunState, first: StepState, ending: Ending): void {
  const scope = scopeOf(state, first.scope);
  const toEnd: [StepState, Ending][] = [[first, ending]];
  // A work list instead of recursion: a chain of skipped nodes can be as long as the definition.
  for (let next = toEnd.pop(); next; next = toEnd.pop()) {
    const [step, how] = next;
    if (step.endedAt !== undefined) continue;
    release(state, step);
    Object.assign(step, how, { endedAt: state.at });
    scope.ended += 1;
    if (how.status === "failed" && how.handle === undefined) fail(state, scope, step);
    if (!isStopping(state, scope)) toEnd.push(...resolveEdges(state, scope, step));
  }
  settleScope(state, scope);
}

/** Tells every target which of its edges is resolved; returns the targets that are thereby skipped. */
function resolveEdges(state: RunState, scope: Scope, step: StepState): [StepState, Ending][] {
  const skipped: [StepState, Ending][] = [];
  for (const { handle, target } of planNodeOf(state, step.nodeId).outgoing) {
    const next = stepOf(state, scope.path, target.id);
    next.resolved += 1;
    if (handle === step.handle) next.live += 1;
    if (next.resolved < target.incoming) continue;
    if (next.live === 0) skipped.push([next, { status: "skipped" }]);
    else {
      next.status = "ready";
      state.active.add(next);
    }
  }
  return skipped;
}

function fail(state: RunState, scope: Scope, step: StepState): void {
  if (step.error === undefined || scope.failure) return;
  scope.failure = { ...step.error, nodeId: step.nodeId, scope: step.scope };
  dropWaiting(state, scope);
}

/** Forgets what has not begun or only waits, in `scope` (or everywhere): it will not happen. Open calls stay until they end. */
function dropWaiting(state: RunState, scope: Scope | undefined): void {
  for (const step of [...state.active, ...state.idle]) {
    if (step.status === "running" && step.map === undefined) continue;
    if (scope && !isWithin(state.scopes.get(step.scope) ?? null, scope)) continue;
    state.active.delete(step);
    state.idle.delete(step);
    step.status = "cancelled";
    delete step.question;
  }
}

/** Closes an item whose work is over, which may begin the next item or end the map. The top is closed by the run's last event. */
function settleScope(state: RunState, scope: Scope): void {
  if (scope.parent === null) return;
  if (!scope.closed) {
    const over = isStopping(state, scope) ? scope.calls === 0 : scope.ended === scope.body.nodes.length;
    if (!over) return;
    const map = closeItem(state, scope, (sibling) => {
      dropWaiting(state, sibling);
      settleScope(state, sibling);
    });
    openItems(state, map, settleScope);
  }
  // A call that ends in a scope that is given up may be the last one that the scopes around it wait for.
  if (isStopping(state, scope.parent)) settleScope(state, scope.parent);
}

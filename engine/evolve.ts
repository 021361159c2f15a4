/*
 * The fold: one event in, the state changed by exactly what the event says.
 *
 *   pending ──(all incoming edges resolved, one live)──▶ ready ──▶ running ──▶ succeeded | failed | cancelled
 *      └──────(all incoming edges dead)──▶ skipped       │  ▲          ├──▶ retrying (until a time) ──▶ running
 *                                                        ▼  │          ├──▶ parked (until an answer) ──▶ ready
 *                                                       waiting ◀──────┘   (until a time, a message, a child's end)
 *
 * An edge is live when its source went on by the edge's handle. A failure that no handle takes ends its scope: an item of a
 * map, a round of a loop, or the run. A scope is over when all its steps have ended, or it has failed and no call is open in it.
 */
import type { EventBody, JournalEvent, StepError } from "#contract/journal.ts";
import { beginApproval, delegate, escalate, takeDecision } from "./approvals.ts";
import { openItems, openRound, openTurns } from "./containers.ts";
import { applyToRun, liveStatus, patchContext } from "./evolve-run.ts";
import { isBlocked, stepError } from "./outcome.ts";
import { initialState, isStopping, scopeOf, stepKey, stepOf, type Start } from "./state.ts";
import { endStep } from "./step-end.ts";
import { addCall, release } from "./stopping.ts";
import type { Plan, RunState, StepState } from "./types.ts";
import { beginWaiting, takeChildEnd, takeHookCall } from "./waits.ts";

/** Applies the next event. Changes and returns `state`; costs O(edges touched). Throws when the journal has a gap. */
export function evolve(state: RunState, event: JournalEvent): RunState {
  if (event.seq !== state.seq + 1) throw new Error(`The journal goes on with ${event.seq}, expected ${state.seq + 1}.`);
  state.seq = event.seq;
  state.epoch = event.epoch;
  state.at = event.at;
  if (event.nodeId === null) applyToRun(state, event);
  else if (state.scopes.has(event.scope)) applyToStep(state, event, stepOf(state, event.scope, event.nodeId));
  else if (!state.forgets) throw new Error(`The journal names the scope ${event.scope}, which has not begun.`);
  state.status = liveStatus(state);
  return state;
}

/** The state after all of `events`, which begin at the first. */
export function fold(plan: Plan, events: Iterable<JournalEvent>, start: Start = {}): RunState {
  let state = initialState(plan, start);
  for (const event of events) state = evolve(state, event);
  return state;
}

/** What was on its way when the step's end was decided otherwise (a join has gone on without it) changes nothing. */
function applyToStep(state: RunState, event: JournalEvent, step: StepState): void {
  if (step.endedAt !== undefined) return;
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
      succeed(state, step, event.body);
      break;
    case "step_failed":
      step.attempt = event.attempt;
      applyFailure(state, step, event.body);
      break;
    case "step_cancelled":
      endStep(state, step, { status: "cancelled", ...(event.body.outcome === "outcome_unknown" ? { error: OUTCOME_UNKNOWN } : {}) });
      break;
    case "step_parked":
      park(state, step, event.body);
      break;
    case "step_answered":
      applyAnswer(state, step, event.body);
      break;
    case "breakpoint_hit":
      step.hasPaused = true;
      state.isPaused = true;
      break;
    default:
      applyToContainer(state, event, step);
  }
}

function applyToContainer(state: RunState, event: JournalEvent, step: StepState): void {
  switch (event.kind) {
    case "map_started":
      beginContainer(state, step);
      step.map = { ...event.body, next: 0, active: 0, done: 0, results: [], size: 0 };
      openItems(state, step);
      break;
    case "round_started":
      beginContainer(state, step);
      openRound(state, step, event.body.index);
      break;
    case "turns_started": {
      beginContainer(state, step);
      step.team ??= { task: event.body.task ?? null, turns: [], active: 0 };
      const from = step.team.turns.length;
      step.team.turns.push(...event.body.turns);
      openTurns(state, step, from);
      break;
    }
    default:
      applyToWait(state, event, step);
  }
}

function applyToWait(state: RunState, event: JournalEvent, step: StepState): void {
  switch (event.kind) {
    case "step_waiting":
      beginWaiting(state, step, event.body);
      break;
    case "hook_called":
      takeHookCall(state, step, event.body.payload);
      break;
    case "child_ended":
      takeChildEnd(state, step, event.body);
      // Nobody needs what the child has made any more.
      if (step.isUnwanted || isStopping(state, scopeOf(state, step.scope))) {
        if (!step.isUndoing && step.status !== "running") endStep(state, step, { status: "cancelled" });
      }
      break;
    case "approval_requested":
      beginApproval(state, step, event.body);
      break;
    case "approval_decided":
      takeDecision(state, step, event.body);
      break;
    case "approval_delegated":
      delegate(step, event.body.to);
      break;
    case "approval_escalated":
      escalate(step, event.body.approvers);
      break;
    default:
      throw new Error(`The event ${event.kind} cannot name a node.`);
  }
}

const OUTCOME_UNKNOWN: StepError = {
  ...stepError("step_in_doubt", "The call was cut off by a cancellation; whether it took effect is not known."),
  remedy: "Look at the other side before you start this work again.",
};

function beginContainer(state: RunState, step: StepState): void {
  state.active.delete(step);
  step.status = "running";
  step.startedAt ??= state.at;
}

function began(state: RunState, step: StepState, event: JournalEvent & { kind: "step_started" }): void {
  const { input, effect, key, generation, grant } = event.body;
  if (step.status !== "running") addCall(scopeOf(state, step.scope), 1);
  state.idle.delete(step);
  state.active.add(step);
  step.startedAt ??= event.at;
  if (grant) state.usedGrants.set(stepKey(grant.scope, grant.nodeId), key);
  Object.assign(step, {
    status: "running",
    input,
    effect,
    key,
    generation,
    attempt: event.attempt,
    retryAt: undefined,
    taskHandle: undefined,
    waiting: undefined,
  });
}

function succeed(state: RunState, step: StepState, { output, handle, patch }: EventBody<"step_succeeded">): void {
  if (patch) state.context = patchContext(state.context, patch);
  endStep(state, step, { status: "succeeded", output, handle });
}

/** When the run is stopping anyway, nobody needs the answer: the step ends, its outcome unknown. */
function park(state: RunState, step: StepState, { question, error }: EventBody<"step_parked">): void {
  const isNeeded = step.isUndoing || !(step.isUnwanted || isStopping(state, scopeOf(state, step.scope)));
  if (!isNeeded) return endStep(state, step, { status: "cancelled", error: error ?? OUTCOME_UNKNOWN });
  release(state, step);
  step.status = "parked";
  step.question = question;
  if (error) step.error = error;
  state.idle.add(step);
}

function applyFailure(state: RunState, step: StepState, { error, retryAt, handle, output }: EventBody<"step_failed">): void {
  step.error = error;
  const isNeeded = step.isUndoing || !(step.isUnwanted || isStopping(state, scopeOf(state, step.scope)));
  if (retryAt !== undefined && isNeeded) {
    release(state, step);
    step.status = "retrying";
    step.retryAt = retryAt;
    delete step.waiting;
    state.idle.add(step);
  } else if (handle !== undefined) {
    endStep(state, step, { status: "failed", error, handle, ...(output === undefined ? {} : { output }) });
  } else if (retryAt !== undefined || step.isUnwanted) {
    endStep(state, step, { status: "cancelled", error });
  } else {
    endStep(state, step, { status: "failed", error });
  }
}

function applyAnswer(state: RunState, step: StepState, { answer, output }: EventBody<"step_answered">): void {
  delete step.question;
  if (isBlocked(step)) delete step.error;
  if (answer === "happened") return endStep(state, step, { status: "succeeded", output: output ?? null, handle: "success" });
  state.idle.delete(step);
  state.active.add(step);
  step.status = "ready";
  if (answer === "run_again") Object.assign(step, { generation: step.generation + 1, attempt: 1, key: undefined });
  else step.attempt += 1;
}

/*
 * Steps that wait: for a time, a signal, the call of their hook, the end of a child run. What comes before anybody waits for it
 * is kept, so that the order of arrival does not matter; what comes to a step makes it ready, and `evaluate` says what follows.
 */
import type { Json } from "#contract/common.ts";
import type { EventBody, StepPlace } from "#contract/journal.ts";
import { isStopping, scopeOf, stepKey } from "./state.ts";
import { release } from "./stopping.ts";
import type { RunState, StepState, Waiting } from "./types.ts";

export function beginWaiting(state: RunState, step: StepState, body: EventBody<"step_waiting">): void {
  const isGivenUp = body.childRunId === undefined && !step.isUndoing && isStopping(state, scopeOf(state, step.scope));
  if (isGivenUp) return;
  state.active.delete(step);
  state.idle.add(step);
  step.status = "waiting";
  step.startedAt ??= state.at;
  const early = step.waiting?.delivered;
  step.waiting = { ...body };
  const kept = early ?? takeKept(state, step, body);
  if (kept) deliver(state, step, kept);
}

type Delivered = NonNullable<Waiting["delivered"]>;
function deliver(state: RunState, step: StepState, delivered: Delivered): void {
  release(state, step);
  step.waiting = { ...step.waiting, delivered };
  step.status = "ready";
  state.active.add(step);
}

/** Goes to the step that has waited longest, or is kept. */
export function takeSignal(state: RunState, name: string, payload: Json): void {
  for (const step of state.idle) {
    if (step.status === "waiting" && step.waiting?.signal === name) return deliver(state, step, { payload });
  }
  keep(state, name, payload);
}

export function takeHookCall(state: RunState, step: StepState, payload: Json): void {
  if (step.status === "waiting" && step.waiting?.hook) deliver(state, step, { payload });
  else if (step.endedAt === undefined) keep(state, hookName(step), payload);
}

export function takeChildEnd(state: RunState, step: StepState, { inboxId: _inboxId, ...child }: EventBody<"child_ended">): void {
  if (step.status === "running") step.waiting = { childRunId: child.childRunId, delivered: { child } };
  else if (step.status === "waiting" && step.waiting?.childRunId === child.childRunId) deliver(state, step, { child });
}

/** No signal of the outside can have this name. */
const hookName = ({ scope, nodeId }: StepPlace): string => `\0${stepKey(scope, nodeId)}`;

/** What came early for a step that is called differently now is kept under its new name. */
export function renameKept(state: RunState, keyOf: (key: string) => string): void {
  const kept = [...state.signals];
  state.signals.clear();
  for (const [name, payloads] of kept) state.signals.set(name.startsWith("\0") ? `\0${keyOf(name.slice(1))}` : name, payloads);
}

function keep(state: RunState, name: string, payload: Json): void {
  const kept = state.signals.get(name);
  if (kept) kept.push(payload);
  else state.signals.set(name, [payload]);
}

function takeKept(state: RunState, step: StepState, { signal, hook }: EventBody<"step_waiting">): Delivered | undefined {
  const name = hook ? hookName(step) : signal;
  const payload = name === undefined ? undefined : state.signals.get(name)?.shift();
  return payload === undefined ? undefined : { payload };
}

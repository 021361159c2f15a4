/*
 * What to do now, given the state and nothing else. Asking twice gives the same answer: a command is repeated until an
 * event answers it. Cost: one look at each step that is ready, running or waiting; never at the ones that have ended.
 */
import type { Json } from "#contract/common.ts";
import type { EventDraft } from "#contract/journal.ts";
import { isOutside } from "./plan.ts";
import { isFinalStatus, isStopping, planNodeOf, scopeOf, stepKey } from "./state.ts";
import type { Command, FinalEvent, RunState, StepAddress, StepState } from "./types.ts";

/** `now` is in ms since the epoch. Empty when the run is over, or waits for an answer. */
export function decide(state: RunState, now: number): Command[] {
  const top = state.scopes.get("");
  if (!top || isFinalStatus(state.status)) return [];
  const final = top.calls === 0 ? finalEvent(state) : undefined;
  if (final) return [{ kind: "finish", event: final }];
  const commands: Command[] = [];
  for (const step of state.active) {
    const command = commandFor(state, step);
    if (command) commands.push(command);
  }
  for (const step of state.idle) if (step.status === "retrying") commands.push(retry(state, step, now));
  return commands;
}

function finalEvent(state: RunState): FinalEvent | undefined {
  const top = scopeOf(state, "");
  if (top.failure) {
    const { nodeId, scope, ...error } = top.failure;
    return { kind: "run_failed", body: { error, nodeId, scope } };
  }
  if (state.cancel) return { kind: "run_cancelled", body: state.cancel };
  if (top.ended === top.body.nodes.length) return { kind: "run_succeeded", body: { output: outputOf(state) } };
  return undefined;
}

/** The output of the first end node, in definition order, that was reached. */
function outputOf(state: RunState): Json {
  for (const node of state.plan.bodies.get(null)?.nodes ?? []) {
    const step = node.type === "end" ? state.steps.get(stepKey("", node.id)) : undefined;
    if (step?.status === "succeeded") return step.output ?? null;
  }
  return null;
}

const addressOf = ({ scope, nodeId, attempt, generation }: StepState) => ({ scope, nodeId, attempt, generation });

function commandFor(state: RunState, step: StepState): Command | undefined {
  const { type } = planNodeOf(state, step.nodeId);
  if (isStopping(state, scopeOf(state, step.scope))) {
    const reason = state.cancel ? "the run is being cancelled" : "another step has failed";
    return step.status === "running" && isOutside(type) ? { kind: "abort", ...addressOf(step), reason } : undefined;
  }
  if (!isOutside(type)) return { kind: "evaluate", ...addressOf(step) };
  return { kind: "invoke", type, ...addressOf(step), ...resumeOf(step) };
}

/** What an earlier process had journaled of this call. */
function resumeOf({ status, input, key, effect, binding, taskHandle }: StepState): Pick<Extract<Command, { kind: "invoke" }>, "resume"> {
  if (status !== "running" || input === undefined || key === undefined || effect === undefined) return {};
  return { resume: { input, key, effect, ...(binding ? { binding } : {}), ...(taskHandle ? { handle: taskHandle } : {}) } };
}

function retry(state: RunState, step: StepState, now: number): Command {
  const { type } = planNodeOf(state, step.nodeId);
  const address = { ...addressOf(step), attempt: step.attempt + 1 };
  const at = step.retryAt ?? 0;
  if (now < at) return { kind: "wait_until", ...address, at };
  return isOutside(type) ? { kind: "invoke", type, ...address } : { kind: "evaluate", ...address };
}

/**
 * After a takeover: what the calls that were in flight need before anything else happens. A call whose repetition could be
 * noticed, and that cannot be found again by a handle, parks its scope with a question; all others are simply decided anew.
 */
export function recover(state: RunState): EventDraft[] {
  const drafts: EventDraft[] = [];
  for (const step of state.active) {
    const inDoubt = step.effect === "once" || step.effect === "ask";
    if (step.status !== "running" || !inDoubt || step.taskHandle) continue;
    drafts.push(parked(state, step, "The worker went away"));
  }
  return drafts;
}

/** The event of a call of which nobody can know whether it took effect; `cause` begins the question. */
export function parked(state: RunState, step: StepAddress, cause: string): EventDraft {
  const { scope, nodeId, attempt, generation } = step;
  const { node } = planNodeOf(state, nodeId);
  const where = scope === "" ? "" : ` (${scope})`;
  const question = `${cause} while "${node.label ?? node.id}"${where} was under way. Did its effect happen?`;
  return { kind: "step_parked", scope, nodeId, attempt, body: { generation, question } };
}

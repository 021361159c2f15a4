/*
 * What to do now, given the state and nothing else. Asking twice gives the same answer: a command is repeated until an
 * event answers it. Cost: one look at each step that is ready, running or waiting; never at the ones that have ended.
 */
import type { Json } from "#contract/common.ts";
import type { EventDraft } from "#contract/journal.ts";
import { openScopesOf } from "./containers.ts";
import { stepError } from "./outcome.ts";
import { isContainer, isOutside } from "./plan.ts";
import { isFinalStatus, isStopping, planNodeOf, scopeOf, stepKey } from "./state.ts";
import type { Command, FinalEvent, RunState, Scope, StepAddress, StepState } from "./types.ts";
import { notUndone, stepsToUndo } from "./undo.ts";

/** `now` is in ms since the epoch. Empty when the run is over, or waits for a message. */
export function decide(state: RunState, now: number): Command[] {
  const top = state.scopes.get("");
  if (!top || isFinalStatus(state.status)) return [];
  const last = state.isForced || top.calls === 0 ? lastCommand(state, top) : undefined;
  if (last) return [last];
  const commands: Command[] = [];
  const expiry = expiryOf(state, top, now);
  if (expiry) commands.push(expiry);
  for (const step of state.active) {
    const command = commandFor(state, step);
    if (command) commands.push(command);
  }
  for (const step of state.idle) {
    const command = idleCommand(state, step, now);
    if (command) commands.push(command);
  }
  return commands;
}

/** With nothing open: the end, or the undoing that comes before it. */
function lastCommand(state: RunState, top: Scope): Command | undefined {
  if (!state.isForced && (state.cancel || top.failure)) {
    if (state.undo === null) {
      const steps = stepsToUndo(state);
      const event = { kind: "compensation_started", scope: "", nodeId: null, attempt: 0, body: { steps } } as const;
      if (steps.length > 0) return { kind: "record", isQuiet: true, event };
    } else if (state.undo.queue.length > 0) return undefined;
  }
  const event = finalEvent(state, top);
  return event && { kind: "finish", event };
}

function finalEvent(state: RunState, top: Scope): FinalEvent | undefined {
  const left = notUndone(state);
  const rest = left.length === 0 ? {} : { notUndone: left };
  if (top.failure && !state.isForced) {
    const { nodeId, scope, ...error } = top.failure;
    const where = nodeId === undefined || scope === undefined ? {} : { nodeId, scope };
    return { kind: "run_failed", body: { error, ...where, ...rest } };
  }
  if (state.cancel) return { kind: "run_cancelled", body: { ...state.cancel, ...rest } };
  if (top.ended === top.body.nodes.length) return { kind: "run_succeeded", body: { output: outputOf(state, top) } };
  return undefined;
}

/**
 * The run's last event, when these are the ends of all steps that it still waits for: what `decide` asks for once they are
 * folded. Nothing can come in between that would make it another one, so it may be appended with them.
 */
export function endAfter(state: RunState, drafts: readonly EventDraft[]): FinalEvent | undefined {
  const top = state.scopes.get("");
  if (!top || top.calls > 0 || top.failure || state.cancel || state.isForced || state.editor) return undefined;
  if (state.active.size !== drafts.length || state.idle.size > 0) return undefined;
  if (top.ended + drafts.length !== top.body.nodes.length || !drafts.every((draft) => leadsNowhere(state, draft))) return undefined;
  const outputs = new Map(drafts.map((draft) => [draft.nodeId, draft.kind === "step_succeeded" ? draft.body.output : null]));
  for (const { id, type } of top.body.nodes) {
    if (type !== "end") continue;
    const output = outputs.has(id) ? outputs.get(id) : endedOutput(state, id);
    if (output !== undefined) return { kind: "run_succeeded", body: { output } };
  }
  return { kind: "run_succeeded", body: { output: null } };
}

function leadsNowhere(state: RunState, { kind, scope, nodeId }: EventDraft): boolean {
  if (kind !== "step_succeeded" || scope !== "" || nodeId === null) return false;
  return planNodeOf(state, nodeId).outgoing.length === 0 && state.steps.get(stepKey("", nodeId))?.endedAt === undefined;
}

function endedOutput(state: RunState, nodeId: string): Json | undefined {
  const step = state.steps.get(stepKey("", nodeId));
  return step?.status === "succeeded" ? (step.output ?? null) : undefined;
}

/** The output of the first end node, in definition order, that was reached; of a node run alone, its own. */
function outputOf(state: RunState, top: Scope): Json {
  const only = state.editor?.only;
  if (only !== undefined) return state.steps.get(stepKey("", only))?.output ?? null;
  for (const node of top.body.nodes) {
    const output = node.type === "end" ? endedOutput(state, node.id) : undefined;
    if (output !== undefined) return output;
  }
  return null;
}

function expiryOf({ expiresAt, plan, cancel }: RunState, top: Scope, now: number): Command | undefined {
  if (expiresAt === null || cancel || top.failure) return undefined;
  if (now < expiresAt) return { kind: "wait_until", at: expiresAt };
  const message = `Expected the run to end within ${plan.definition.timeoutMs ?? 0} ms; it has not.`;
  const error = stepError("run_timeout", message);
  return { kind: "record", isQuiet: false, event: { kind: "run_expired", scope: "", nodeId: null, attempt: 0, body: { error } } };
}

const addressOf = ({ scope, nodeId, attempt, generation }: StepState) => ({ scope, nodeId, attempt, generation });

const isGivenUp = (state: RunState, step: StepState): boolean =>
  !step.isUndoing && (step.isUnwanted === true || isStopping(state, scopeOf(state, step.scope)));

function commandFor(state: RunState, step: StepState): Command | undefined {
  const { type } = planNodeOf(state, step.nodeId);
  if (isGivenUp(state, step)) return abortOf(state, step, isOutside(type) && step.status === "running");
  const isCall = isOutside(type) && step.status === "running";
  if (state.isPaused && !step.isUndoing && !isCall) return undefined;
  if (isBreakpoint(state, step)) {
    const { scope, nodeId, attempt } = step;
    return { kind: "record", isQuiet: false, event: { kind: "breakpoint_hit", scope, nodeId, attempt, body: {} } };
  }
  if (!isOutside(type) || step.waiting?.delivered || isPinned(state, step)) {
    // Written out: this happens at every step.
    const { scope, nodeId, attempt, generation } = step;
    return { kind: "evaluate", scope, nodeId, attempt, generation };
  }
  return { kind: "invoke", type, ...addressOf(step), ...resumeOf(step) };
}

function abortOf(state: RunState, step: StepState, isCall: boolean): Command | undefined {
  const { type } = planNodeOf(state, step.nodeId);
  const isEmpty = step.isUnwanted === true && isContainer(type) && openScopesOf(state, step).length === 0;
  if (!isCall && !isEmpty && step.waiting?.childRunId === undefined) return undefined;
  const reason = state.cancel
    ? "the run is being cancelled"
    : step.isUnwanted
      ? "the run has gone on without it"
      : "another step has failed";
  const child = step.waiting?.childRunId === undefined ? {} : { childRunId: step.waiting.childRunId };
  return { kind: "abort", ...addressOf(step), reason, ...child };
}

const isBreakpoint = ({ editor }: RunState, { status, nodeId, hasPaused }: StepState): boolean =>
  status === "ready" && !hasPaused && editor?.breakpoints?.includes(nodeId) === true;

const isPinned = ({ editor }: RunState, { nodeId }: StepState): boolean => editor?.pins !== undefined && Object.hasOwn(editor.pins, nodeId);

/** What an earlier process had journaled of this call. */
function resumeOf({ status, input, key, effect, binding, taskHandle }: StepState): Pick<Extract<Command, { kind: "invoke" }>, "resume"> {
  if (status !== "running" || input === undefined || key === undefined || effect === undefined) return {};
  return { resume: { input, key, effect, ...(binding ? { binding } : {}), ...(taskHandle ? { handle: taskHandle } : {}) } };
}

function idleCommand(state: RunState, step: StepState, now: number): Command | undefined {
  if (isGivenUp(state, step)) return abortOf(state, step, false);
  if (state.isPaused && !step.isUndoing) return undefined;
  if (step.status === "retrying") return retry(state, step, now);
  const at = step.waiting?.until ?? step.waiting?.deadline;
  if (step.status !== "waiting" || at === undefined) return undefined;
  return now < at ? { kind: "wait_until", at } : { kind: "evaluate", ...addressOf(step) };
}

function retry(state: RunState, step: StepState, now: number): Command {
  const { type } = planNodeOf(state, step.nodeId);
  const address = { ...addressOf(step), attempt: step.attempt + 1 };
  const at = step.retryAt ?? 0;
  if (now < at) return { kind: "wait_until", at };
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

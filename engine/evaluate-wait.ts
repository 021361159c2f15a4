/* How a wait begins and what its end means. */
import type { Json } from "#contract/common.ts";
import type { EventDraft, StepError } from "#contract/journal.ts";
import { LIMITS } from "#contract/limits.ts";
import { approvalDraft } from "./evaluate-approval.ts";
import { member } from "./evaluate-flow.ts";
import { failed, stepError, succeeded } from "./outcome.ts";
import { planNodeOf } from "./state.ts";
import { timeOf } from "./times.ts";
import type { RunState, StepCommand, Waiting } from "./types.ts";

/** A `wait` or an `approval` that begins; `value` is its computed `data`. */
export function evaluateWait(state: RunState, command: StepCommand, value: Json | undefined): EventDraft {
  const { node } = planNodeOf(state, command.nodeId);
  const draft = node.type === "approval" ? approvalDraft(state, command, { node, value }) : waitDraft(state, command, { node, value });
  return "code" in draft ? failed(state, command, { error: draft, now: 0, random: 0 }) : draft;
}

type Beginning = { node: { type: string }; value: Json | undefined };
function waitDraft(state: RunState, command: StepCommand, { value }: Beginning): EventDraft | StepError {
  const { scope, nodeId, attempt } = command;
  const { timeoutMs } = planNodeOf(state, nodeId);
  const deadline = timeoutMs === null ? {} : { deadline: Date.parse(state.at) + timeoutMs };
  const draft = (body: Extract<EventDraft, { kind: "step_waiting" }>["body"]): EventDraft => ({
    kind: "step_waiting",
    scope,
    nodeId,
    attempt,
    body,
  });
  if (member(value, "webhook") === true) return draft({ hook: true, ...deadline });
  const signal = member(value, "signal");
  if (typeof signal === "string" && signal !== "") return draft({ signal: signal.slice(0, LIMITS.signalNameChars), ...deadline });
  const until = timeOf(member(value, "forMs") ?? member(value, "until"), Date.parse(state.at));
  if (until === undefined)
    return stepError("expression_failed", "Expected a number of ms, an ISO 8601 date and time, or a signal's name to wait for.");
  return draft({ until });
}

/** The time has come, or what was waited for has. */
export function waitEnded(state: RunState, command: StepCommand, { delivered, until, signal, hook, deadline }: Waiting): EventDraft {
  if (delivered) return "child" in delivered ? childEnded(state, command, delivered.child) : succeeded(command, delivered.payload);
  if (until !== undefined) return succeeded(command, { at: new Date(until).toISOString() });
  const what = signal === undefined ? (hook ? "a call of its hook" : "what it waits for") : `the signal ${signal}`;
  const message = `Expected ${what} by ${new Date(deadline ?? 0).toISOString()}; it has not come.`;
  return failed(state, command, { error: stepError("step_timeout", message), now: 0, random: 0 });
}

type Child = Extract<NonNullable<Waiting["delivered"]>, { child: unknown }>["child"];
function childEnded(state: RunState, command: StepCommand, { childRunId, status, output, error }: Child): EventDraft {
  if (status === "succeeded") return succeeded(command, output ?? null);
  const message = `Run ${childRunId} ${status === "failed" ? `has failed: ${error?.message ?? "for an unknown reason"}` : "was cancelled"}.`;
  const cause = error === undefined ? {} : { cause: error.code };
  return failed(state, command, { error: { ...stepError("run_failed_below", message), ...cause }, now: 0, random: 0 });
}

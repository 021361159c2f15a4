import type { Json } from "#contract/common.ts";
import type { Retry } from "#contract/policy.ts";
import { classOf } from "#contract/error-classes.ts";
import { REMEDY, type ErrorCode } from "#contract/errors.ts";
import type { EventDraft, StepError } from "#contract/journal.ts";
import { planNodeOf } from "./state.ts";
import type { RunState, StepAddress, StepCommand, StepState } from "./types.ts";

/** The event of a step that has returned `output`. */
export function succeeded({ scope, nodeId, attempt }: StepCommand, output: Json, handle = "success"): EventDraft {
  return { kind: "step_succeeded", scope, nodeId, attempt, body: { output, handle } };
}

/** An error that the engine itself finds. */
export const stepError = (code: ErrorCode, message: string): StepError => ({
  code,
  message,
  remedy: REMEDY[code],
  retryable: false,
  class: classOf(code, { retryable: false }),
});

/** What a step waits for instead of failing: somebody decides about it, and the step tries again. */
const BLOCKING: string = "tool_changed" satisfies ErrorCode;

/** Whether the step, found parked, is not in doubt but waits for a decision. */
export const isBlocked = ({ error }: Pick<StepState, "error">): boolean => error?.code === BLOCKING;

/** The event of a call that must not be made until somebody has decided; undefined when the error is of another kind. */
export function blocked(state: RunState, { scope, nodeId, attempt, generation }: StepAddress, error: StepError): EventDraft | undefined {
  if (!isBlocked({ error })) return undefined;
  const { node } = planNodeOf(state, nodeId);
  const question = `"${node.label ?? node.id}" waits: ${error.message} ${error.remedy}`;
  return { kind: "step_parked", scope, nodeId, attempt, body: { generation, question, error } };
}

export type Failure = {
  error: StepError;
  /** ms since the epoch: from when a retry's delay counts. */
  now: number;
  /** In [0, 1): spreads the delays of retries. */
  random: number;
  /** How long the other side asks to wait. */
  retryAfterMs?: number | undefined;
};

/** The event of a step that has failed; the node's policy says whether it is tried again and how the run goes on otherwise. */
export function failed(state: RunState, command: StepCommand, { error, now, random, retryAfterMs = 0 }: Failure): EventDraft {
  const { scope, nodeId, attempt } = command;
  const { node, retry } = planNodeOf(state, nodeId);
  const base = { kind: "step_failed", scope, nodeId, attempt } as const;
  if (attempt < retry.maxAttempts && isRetried(retry, error)) {
    return { ...base, body: { error, retryAt: now + Math.max(delayMs(retry, attempt, random), retryAfterMs) } };
  }
  const output = { error: { code: error.code, message: error.message, remedy: error.remedy } };
  if (node.policy?.onError === "branch") return { ...base, body: { error, handle: "error", output } };
  if (node.policy?.onError === "continue") return { ...base, body: { error, handle: "success", output } };
  return { ...base, body: { error } };
}

const isRetried = (retry: Retry, error: StepError): boolean => (retry.on ? retry.on.includes(error.code) : error.retryable);

/** Exponential back-off; the share `jitter` of it is taken off at random. */
function delayMs({ backoffMs, factor, maxMs, jitter }: Retry, attempt: number, random: number): number {
  return Math.round(Math.min(maxMs, backoffMs * factor ** (attempt - 1)) * (1 - jitter * random));
}

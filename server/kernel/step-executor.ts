import type { Json } from "#contract/common.ts";
import type { Effect } from "#contract/policy.ts";
import type { StepHandle } from "#contract/journal.ts";
import type { StepRef } from "./ports.ts";

/** A step's `data` with its expressions resolved; secrets in it are still references (`{"$secret": "name"}`). */
export type StepRequest = {
  tenantId: string;
  environment: string;
  /** On whose behalf the run acts, and how many runs are above it. */
  initiator: string;
  depth: number;
  step: StepRef;
  input: Json;
};

/** How far a call has come, as the other side says: up to `total`, if that is known. */
export type StepProgress = { progress: number; total?: number | undefined; message?: string | undefined };

export type StepCall = StepRequest & {
  /** Idempotency key: equal over attempts and takeovers. Passed on to the other side wherever its protocol has a place for it. */
  key: string;
  effect: Effect;
  /** What `prepare` chose, perhaps in an earlier process; the call must use exactly this or fail. */
  binding?: Record<string, string>;
  /** What an earlier process had stored by `saveHandle`: find that call again instead of making a new one. */
  handle?: StepHandle;
  timeoutMs: number;
  /** From now on the step's time stands still, as while a person is asked, until the returned function is called. */
  holdTimeout?: () => () => void;
  /** Aborts on timeout, cancellation and loss of the run. */
  signal: AbortSignal;
  /** Shows how far the call has come to whoever watches. Nothing is kept of it; it may be told at any rate, and from anywhere. */
  showProgress?: (progress: StepProgress) => void;
  /** Journals a handle by which a later process can find this call again; resolves once it is durable. */
  saveHandle(handle: StepHandle): Promise<void>;
};

/**
 * How one kind of outside step is carried out. `prepare` runs before `step_started` is journaled and makes no call whose
 * repetition could be noticed; what it returns is journaled with the start. `run` returns the step's output or throws an `AppError`
 * whose `retryable` says whether another attempt can help.
 */
export type StepExecutor = {
  prepare(request: StepRequest): Promise<{ effect?: Effect; binding?: Record<string, string> }>;
  run(call: StepCall): Promise<Json>;
};

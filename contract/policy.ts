import { z } from "zod";
import { Identifier } from "./common.ts";
import { LIMITS } from "./limits.ts";

/** What a repeated call would do. Only pure nodes and models are `none` by nature; unknown means `once`. */
export const EFFECTS = ["none", "idempotent", "once", "ask"] as const;
export const Effect = z.enum(EFFECTS);
export type Effect = z.infer<typeof Effect>;

export const Retry = z.strictObject({
  /** Counts the first attempt: 1 means no retry. */
  maxAttempts: z.number().int().min(1).max(LIMITS.attempts).default(1),
  backoffMs: z.number().int().min(0).max(3_600_000).default(1_000),
  factor: z.number().min(1).max(10).default(2),
  maxMs: z.number().int().min(0).max(86_400_000).default(60_000),
  /** Share of the delay that is random, 0 to 1. */
  jitter: z.number().min(0).max(1).default(0.2),
  /** Error codes to retry; absent means every error marked retryable. */
  on: z.array(z.string().min(1).max(64)).max(32).optional(),
});
export type Retry = z.infer<typeof Retry>;

/** Reuses the output of an equal earlier call. Only for steps whose effect is `none` or `idempotent`. */
export const Cache = z.strictObject({
  ttlMs: z.number().int().min(1_000).max(LIMITS.cacheTtlMs),
});
export type Cache = z.infer<typeof Cache>;

export const Policy = z.strictObject({
  /** How long one attempt may take; of a `wait` or `approval`, how long it may wait. */
  timeoutMs: z.number().int().min(1).max(LIMITS.timeoutMs).optional(),
  retry: Retry.optional(),
  effect: Effect.optional(),
  /** `branch` leaves by the `error` handle; `continue` succeeds with `{error}` as output; `compensate` undoes this step too before the run fails. */
  onError: z.enum(["fail", "continue", "branch", "compensate"]).optional(),
  /** The node that undoes this one: runs when the run fails or is cancelled after this step has succeeded. */
  compensate: Identifier.optional(),
  cache: Cache.optional(),
  /** The most calls of this node at once, over all runs of the workflow. */
  concurrency: z.number().int().min(1).max(LIMITS.nodeConcurrency).optional(),
  /** The approval node whose grant this step needs: it may run once, with exactly the approved arguments. */
  grant: Identifier.optional(),
});
export type Policy = z.infer<typeof Policy>;

/* Runs that go on from others. */
import { z } from "zod";
import { IdParams, Identifier, Json } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";
import { IdempotencyHeaders, NodeId, Run } from "./runs.ts";

const tag = "runs";

/** `failed`: go on where it failed or was cancelled; steps that have finished are taken over. `start`: all of it again. */
const RetryFrom = z.enum(["failed", "start"]);

export const retryRun = defineRoute({
  name: "retryRun",
  method: "POST",
  path: "/api/v1/runs/:id/retry",
  summary: "Start a new run that goes on where this one failed or, with `from: start`, does all of it again",
  tag,
  permission: "run:start",
  params: IdParams,
  headers: IdempotencyHeaders,
  body: z.strictObject({ /** Default: `failed`, and `start` for a run that has succeeded. */ from: RetryFrom.optional() }).optional(),
  response: Run,
  status: 202,
  errors: ["not_found", "run_transition_invalid", "fork_too_large", "version_unknown", "input_invalid", "idempotency_conflict"],
});

export const forkRun = defineRoute({
  name: "forkRun",
  method: "POST",
  path: "/api/v1/runs/:id/fork",
  summary: "Start a new run that executes one step of this one again, with all that depends on it; other finished steps are taken over",
  tag,
  permission: "run:start",
  params: IdParams,
  headers: IdempotencyHeaders,
  body: z.strictObject({
    from: z.strictObject({ scope: z.string().max(512).default(""), nodeId: NodeId }),
    /** Instead of the run's input; only steps that are executed (again) see it. */
    input: Json.optional(),
    /** Keys of the context to set before the step begins; null removes one. */
    context: z
      .record(Identifier, Json)
      .refine((set) => Object.keys(set).length <= LIMITS.contextKeys, `expected at most ${LIMITS.contextKeys} keys`)
      .optional(),
  }),
  response: Run,
  status: 202,
  errors: [
    "not_found",
    "fork_point_unknown",
    "run_transition_invalid",
    "fork_too_large",
    "version_unknown",
    "input_invalid",
    "idempotency_conflict",
  ],
});

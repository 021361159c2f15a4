/* Runs that go on from others, and what is done to many at once. */
import { z } from "zod";
import { Id, IdParams, Identifier, Json, Time } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";
import { IdempotencyHeaders, NodeId, Run, RunMode, RunStatus, RunSummary } from "./runs.ts";

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

export const requeueRun = defineRoute({
  name: "requeueRun",
  method: "POST",
  path: "/api/v1/runs/:id/requeue",
  summary: "Let workers take a dead run up again",
  tag,
  permission: "run:control",
  params: IdParams,
  response: Run,
  status: 202,
  errors: ["not_found", "run_transition_invalid"],
});

const WaitMs = z.coerce.number().int().min(0).max(LIMITS.waitMs).default(LIMITS.waitMs);

export const awaitRun = defineRoute({
  name: "awaitRun",
  method: "GET",
  path: "/api/v1/runs/:id/wait",
  summary: "Answer when the run is over, or after `timeoutMs` with the run as it is then",
  tag,
  permission: "run:read",
  params: IdParams,
  query: z.object({ timeoutMs: WaitMs }),
  response: Run,
  errors: ["not_found"],
});

const Ids = z.array(Id).min(1).max(LIMITS.bulkRuns);

export const awaitRuns = defineRoute({
  name: "awaitRuns",
  method: "POST",
  path: "/api/v1/runs/wait",
  summary: "Answer when all these runs are over (with `until: any`, one of them), or after `timeoutMs` with the runs as they are then",
  tag,
  permission: "run:read",
  body: z.strictObject({ ids: Ids, until: z.enum(["all", "any"]).default("all"), timeoutMs: WaitMs }),
  response: z.object({ items: z.array(RunSummary), isOver: z.boolean() }),
  errors: ["not_found"],
});

/** The newest runs that fit, at most as many as may be named. */
const Selection = {
  ids: Ids.optional(),
  filter: z
    .strictObject({
      status: z.array(RunStatus).min(1).max(RunStatus.options.length).optional(),
      workflowId: Id.optional(),
      tag: z.string().min(1).max(LIMITS.tagChars).optional(),
      mode: RunMode.optional(),
      dead: z.boolean().optional(),
      from: Time.optional(),
      to: Time.optional(),
    })
    .optional(),
};
const isOneOf = ({ ids, filter }: { ids?: unknown; filter?: unknown }): boolean => (ids === undefined) !== (filter === undefined);
const ONE_OF = "expected either ids or filter";

const Bulk = z.object({
  /** In the order of `ids`; by a filter, newest first. One run's refusal does not keep the others from being done. */
  items: z.array(
    z.object({
      id: Id,
      /** The run or, for a retry, the new one. */
      run: RunSummary.pick({ id: true, status: true }).optional(),
      error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).optional(),
    }),
  ),
  /** More runs fit the filter than are done at once: ask again. */
  isMore: z.boolean(),
});
export type Bulk = z.infer<typeof Bulk>;

export const cancelRuns = defineRoute({
  name: "cancelRuns",
  method: "POST",
  path: "/api/v1/runs/cancel",
  summary: "Cancel several runs, named or by a filter; runs that are over do not fit a filter",
  tag,
  permission: "run:control",
  body: z.strictObject({ ...Selection, reason: z.string().max(500).optional(), force: z.boolean().optional() }).refine(isOneOf, ONE_OF),
  response: Bulk,
  status: 202,
  errors: [],
});

export const retryRuns = defineRoute({
  name: "retryRuns",
  method: "POST",
  path: "/api/v1/runs/retry",
  summary: "Retry several runs, named or by a filter; only runs that have failed or were cancelled fit a filter",
  tag,
  permission: "run:start",
  body: z.strictObject({ ...Selection, from: RetryFrom.optional() }).refine(isOneOf, ONE_OF),
  response: Bulk,
  status: 202,
  errors: [],
});

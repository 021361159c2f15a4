import { z } from "zod";
import { Id, IdParams, Identifier, Json, PageQuery, Tags, Time, pageOf } from "./common.ts";
import { Answer, JournalEvent, StepError } from "./journal.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";

export const RUN_STATUSES = [
  "queued",
  "running",
  "waiting",
  "paused",
  "cancelling",
  "compensating",
  "succeeded",
  "failed",
  "cancelled",
] as const;
export const RunStatus = z.enum(RUN_STATUSES);
export type RunStatus = z.infer<typeof RunStatus>;
export const FINAL_STATUSES = ["succeeded", "failed", "cancelled"] as const satisfies readonly RunStatus[];
export const isFinal = (status: RunStatus): boolean => status === "succeeded" || status === "failed" || status === "cancelled";

/** `editor`: people try the workflow out; only such runs may have pins, breakpoints or a single node. */
export const RunMode = z.enum(["production", "editor"]);
export type RunMode = z.infer<typeof RunMode>;

/** A node's id, or `<team>.<member>`. */
export const NodeId = z.string().min(1).max(129);

/** A run that is not driven any more, because every process that took it up died of it or could not read it. */
export const Dead = z.object({ at: Time, reason: z.string(), /** How often in a row. */ crashes: z.number().int() });
export type Dead = z.infer<typeof Dead>;

export const RunSummary = z.object({
  id: Id,
  workflowId: Id,
  workflowName: z.string(),
  version: z.number().int(),
  status: RunStatus,
  parentRunId: Id.nullable(),
  mode: RunMode,
  tags: Tags,
  createdAt: Time,
  startedAt: Time.nullable(),
  finishedAt: Time.nullable(),
  /** How many events the journal has; grows by one with each. */
  seq: z.number().int(),
  /** Present while the run is dead: it stays as it is until it is requeued. */
  dead: Dead.optional(),
});
export type RunSummary = z.infer<typeof RunSummary>;

/** A step that waits for a person: its effect is in doubt or, with a `code`, something else must be decided first. */
export const Question = z.object({
  scope: z.string(),
  nodeId: z.string(),
  question: z.string(),
  /** `tool_changed`: the step goes on by itself when the tool is approved or rejected. */
  code: z.string().optional(),
  since: Time,
});
export type Question = z.infer<typeof Question>;

export const Run = RunSummary.extend({
  input: Json,
  output: Json.nullable(),
  error: StepError.extend({ nodeId: z.string().optional(), scope: z.string().optional() }).nullable(),
  questions: z.array(Question),
});
export type Run = z.infer<typeof Run>;

export const StartRun = z.strictObject({
  input: Json.default({}),
  /** Defaults to the newest. */
  version: z.number().int().min(1).max(2_147_483_647).optional(),
  tags: Tags.optional(),
  mode: RunMode.optional(),
  /** Outputs that stand for those of these nodes, which are not executed. Editor runs only, like the next two. */
  pins: z
    .record(NodeId, Json)
    .refine((pins) => Object.keys(pins).length <= LIMITS.nodesPerWorkflow, `expected at most ${LIMITS.nodesPerWorkflow} nodes`)
    .optional(),
  /** The run pauses before each of these nodes; `resume` goes on. */
  breakpoints: z.array(NodeId).max(LIMITS.nodesPerWorkflow).optional(),
  /** Execute this node alone; the others have their pinned outputs, or none. */
  only: NodeId.optional(),
});
export type StartRun = z.infer<typeof StartRun>;

export const IdempotencyHeaders = z.object({
  "idempotency-key": z
    .string()
    .min(1)
    .max(LIMITS.idempotencyKeyChars)
    .regex(/^[\x21-\x7e]+$/, "expected visible ASCII without spaces")
    .optional(),
});

const tag = "runs";
export const startRun = defineRoute({
  name: "startRun",
  method: "POST",
  path: "/api/v1/workflows/:id/runs",
  summary: "Start a run; the same Idempotency-Key with the same body answers with the same run",
  tag,
  permission: "run:start",
  params: IdParams,
  headers: IdempotencyHeaders,
  body: StartRun,
  response: Run,
  status: 202,
  errors: ["not_found", "version_unknown", "input_invalid", "editor_only", "idempotency_conflict"],
});

/** Comma-separated statuses. */
const Statuses = z
  .string()
  .regex(/^[a-z]+(,[a-z]+)*$/)
  .max(200)
  .transform((s, ctx) => {
    const parsed = z.array(RunStatus).safeParse(s.split(","));
    if (parsed.success) return parsed.data;
    ctx.addIssue({ code: "custom", message: `expected statuses out of ${RUN_STATUSES.join(", ")}` });
    return z.NEVER;
  });
export const listRuns = defineRoute({
  name: "listRuns",
  method: "GET",
  path: "/api/v1/runs",
  summary: "List runs, newest first",
  tag,
  permission: "run:read",
  query: PageQuery.extend({
    status: Statuses.optional(),
    workflowId: Id.optional(),
    tag: z.string().min(1).max(LIMITS.tagChars).optional(),
    mode: RunMode.optional(),
    /** Only runs that are dead, or only those that are not. */
    dead: z
      .enum(["true", "false"])
      .transform((text) => text === "true")
      .optional(),
    from: Time.optional(),
    to: Time.optional(),
  }),
  response: pageOf(RunSummary),
  errors: ["cursor_invalid"],
});
export const getRun = defineRoute({
  name: "getRun",
  method: "GET",
  path: "/api/v1/runs/:id",
  summary: "Read a run",
  tag,
  permission: "run:read",
  params: IdParams,
  response: Run,
  errors: ["not_found"],
});
export const getRunJournal = defineRoute({
  name: "getRunJournal",
  method: "GET",
  path: "/api/v1/runs/:id/journal",
  summary: "Read the run's events in order, after a sequence number",
  tag,
  permission: "run:read",
  params: IdParams,
  query: z.object({ after: z.coerce.number().int().min(0).default(0), limit: z.coerce.number().int().min(1).max(1_000).default(500) }),
  response: z.object({ items: z.array(JournalEvent), nextAfter: z.number().int().nullable() }),
  errors: ["not_found"],
});
export const streamRunEvents = defineRoute({
  name: "streamRunEvents",
  method: "GET",
  path: "/api/v1/runs/:id/events",
  summary: "Follow the run's events (SSE); `id` is the sequence number, `Last-Event-ID` resumes",
  tag,
  permission: "run:read",
  params: IdParams,
  query: z.object({ after: z.coerce.number().int().min(0).optional() }),
  headers: z.object({
    "last-event-id": z
      .string()
      .regex(/^\d{1,15}$/)
      .optional(),
  }),
  response: z.string(),
  errors: ["not_found"],
  stream: "sse",
});
export const cancelRun = defineRoute({
  name: "cancelRun",
  method: "POST",
  path: "/api/v1/runs/:id/cancel",
  summary: "Cancel a run: new work stops, open calls are cancelled",
  tag,
  permission: "run:control",
  params: IdParams,
  body: z
    .strictObject({
      reason: z.string().max(500).optional(),
      /** End at once: nothing is waited for and nothing undone; the run's last event lists what was not undone. */
      force: z.boolean().optional(),
    })
    .optional(),
  response: Run,
  status: 202,
  errors: ["not_found", "run_transition_invalid", "inbox_full"],
});
export const pauseRun = defineRoute({
  name: "pauseRun",
  method: "POST",
  path: "/api/v1/runs/:id/pause",
  summary: "Pause a run: it begins nothing new, open calls go on to their end",
  tag,
  permission: "run:control",
  params: IdParams,
  body: z.strictObject({ reason: z.string().max(500).optional() }).optional(),
  response: Run,
  status: 202,
  errors: ["not_found", "run_transition_invalid", "inbox_full"],
});
export const signalRun = defineRoute({
  name: "signalRun",
  method: "POST",
  path: "/api/v1/runs/:id/signals/:signal",
  summary: "Send a signal to a run; a signal that comes before its step waits is kept for it",
  tag,
  permission: "run:control",
  params: IdParams.extend({ signal: z.string().min(1).max(LIMITS.signalNameChars) }),
  body: z.strictObject({ payload: Json.default(null) }).optional(),
  response: Run,
  status: 202,
  errors: ["not_found", "run_transition_invalid", "signal_unknown", "inbox_full"],
});
export const resumeRun = defineRoute({
  name: "resumeRun",
  method: "POST",
  path: "/api/v1/runs/:id/resume",
  summary: "Go on with a paused run or, with `answer`, answer its questions about steps in doubt (without `nodeId`, all of them)",
  tag,
  permission: "run:control",
  params: IdParams,
  body: z
    .strictObject({
      /** Absent: a paused run goes on. */
      answer: Answer.optional(),
      nodeId: z.string().max(64).optional(),
      scope: z.string().max(512).optional(),
      /** With `happened`: what the step returned, if known. */
      output: Json.optional(),
    })
    .optional(),
  response: Run,
  status: 202,
  errors: ["not_found", "run_not_waiting", "run_transition_invalid", "inbox_full"],
});
/** What the steps of a run share. Expressions read it as `context.<key>`. */
export const RunContext = z.object({ runId: Id, version: z.number().int(), values: z.record(z.string(), Json) });
export type RunContext = z.infer<typeof RunContext>;

export const getRunContext = defineRoute({
  name: "getRunContext",
  method: "GET",
  path: "/api/v1/runs/:id/context",
  summary: "Read the context that the run's steps share; `version` counts its changes",
  tag,
  permission: "run:read",
  params: IdParams,
  response: RunContext,
  errors: ["not_found"],
});
export const patchRunContext = defineRoute({
  name: "patchRunContext",
  method: "PATCH",
  path: "/api/v1/runs/:id/context",
  summary: "Set keys of a live run's context (null removes one); the run takes the change up in the order in which it arrives",
  tag,
  permission: "run:control",
  params: IdParams,
  body: z.strictObject({
    set: z
      .record(Identifier, Json)
      .refine((set) => Object.keys(set).length <= LIMITS.contextKeys, `expected at most ${LIMITS.contextKeys} keys`),
  }),
  response: RunContext,
  status: 202,
  errors: ["not_found", "run_transition_invalid"],
});

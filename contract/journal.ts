import { z } from "zod";
import { Json } from "./common.ts";
import { Effect } from "./definition.ts";
import { Issue } from "./errors.ts";

/**
 * The events of a run, version 1. A run's state is the fold of its journal; every build must fold every version that
 * was ever written, so a body may only gain optional fields: anything else is a new `v`.
 *
 * `scope` is the path of enclosing iterations: `""` at the top, `/each[17]` inside item 17 of the map node `each`.
 */
export const StepError = z.object({
  code: z.string(),
  message: z.string(),
  remedy: z.string(),
  retryable: z.boolean(),
  issues: z.array(Issue).optional(),
  /** The other side's own answer, redacted and shortened. */
  cause: z.string().optional(),
});
export type StepError = z.infer<typeof StepError>;

export const Answer = z.enum(["happened", "did_not_happen", "run_again"]);
export type Answer = z.infer<typeof Answer>;

/** What recovery needs to find a call again that was in flight: an A2A task, for example. */
export const StepHandle = z.object({ kind: z.string(), id: z.string(), data: Json.optional() });
export type StepHandle = z.infer<typeof StepHandle>;

const event = <K extends string, B extends z.ZodType>(kind: K, body: B) => z.object({ kind: z.literal(kind), body });

/** What an event says, by kind. Kinds that begin with `step_` or `map_` carry `nodeId`; the others do not. */
export const EventPayload = z.discriminatedUnion("kind", [
  event(
    "run_created",
    z.object({ workflowId: z.string(), version: z.number().int(), input: Json, initiator: z.string(), parentRunId: z.string().optional() }),
  ),
  event("run_claimed", z.object({ owner: z.string() })),
  /** Written before an outside call. `input` is what the adapter receives; secrets in it are references. */
  event("step_started", z.object({ input: Json, effect: Effect, key: z.string(), generation: z.number().int() })),
  /** Which agent version, tool hash or model the step uses; recovery uses the same. */
  event("step_bound", z.object({ binding: z.record(z.string(), z.string()) })),
  event("step_handle", z.object({ handle: StepHandle })),
  /** `handle` is the source handle by which the run goes on. */
  event("step_succeeded", z.object({ output: Json, handle: z.string() })),
  /** `retryAt` (ms since the epoch) is present when another attempt follows; otherwise the failure is final. `handle` says how the run goes on: absent means the run fails. */
  event(
    "step_failed",
    z.object({ error: StepError, retryAt: z.number().optional(), handle: z.string().optional(), output: Json.optional() }),
  ),
  event("step_cancelled", z.object({ outcome: z.enum(["cancelled", "outcome_unknown"]), reason: z.string() })),
  /** The step was in flight when its worker died and its effect is in doubt; the scope waits for an answer. */
  event("step_parked", z.object({ question: z.string(), generation: z.number().int() })),
  event("step_answered", z.object({ answer: Answer, by: z.string(), inboxId: z.string(), output: Json.optional() })),
  event("map_started", z.object({ items: z.array(Json), concurrency: z.number().int(), onItemError: z.enum(["fail", "continue"]) })),
  event("cancel_requested", z.object({ by: z.string(), inboxId: z.string(), reason: z.string().optional() })),
  /** Somebody outside the run has changed its context; null removes a key. */
  event("context_patched", z.object({ patch: z.record(z.string(), Json), by: z.string(), inboxId: z.string() })),
  event("run_succeeded", z.object({ output: Json })),
  event("run_failed", z.object({ error: StepError, nodeId: z.string().optional(), scope: z.string().optional() })),
  event("run_cancelled", z.object({ reason: z.string().optional() })),
]);
export type EventPayload = z.infer<typeof EventPayload>;
export type EventKind = EventPayload["kind"];
export type EventBody<K extends EventKind> = Extract<EventPayload, { kind: K }>["body"];

/** An event before it has a place in the journal. `attempt` counts from 1 within a generation; 0 outside steps. */
export type EventDraft = EventPayload & { scope: string; nodeId: string | null; attempt: number };

/** An event as stored. `at` is database time. `seq` counts from 1 without gaps. */
export type JournalEvent = EventDraft & { seq: number; v: 1; epoch: number; at: string };
export const JournalEvent: z.ZodType<JournalEvent> = z.intersection(
  EventPayload,
  z.object({
    seq: z.number().int(),
    v: z.literal(1),
    scope: z.string(),
    nodeId: z.string().nullable(),
    attempt: z.number().int(),
    epoch: z.number().int(),
    at: z.string(),
  }),
);

import { z } from "zod";
import { Json } from "./common.ts";
import { Approver, TeamTurn } from "./node-data.ts";
import { Effect } from "./policy.ts";
import { ErrorClass, Issue } from "./errors.ts";

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
  /** What it takes to go on; absent in events of older builds. */
  class: ErrorClass.optional(),
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

/** Where a step is: a node in a scope. */
export const StepPlace = z.object({ scope: z.string(), nodeId: z.string() });
export type StepPlace = z.infer<typeof StepPlace>;

/** What only an editor's run has: never accepted for production runs. */
export const EditorOptions = z.object({
  /** Outputs that stand for those of the nodes, which are not executed. */
  pins: z.record(z.string(), Json).optional(),
  /** The run pauses before each of these nodes. */
  breakpoints: z.array(z.string()).optional(),
  /** Only this node is executed; the others are pinned or left out. */
  only: z.string().optional(),
});
export type EditorOptions = z.infer<typeof EditorOptions>;

/** The step of another run that waits for this one. */
export const ParentStep = StepPlace.extend({ runId: z.string() });
export type ParentStep = z.infer<typeof ParentStep>;

const Approvers = z.array(Approver);
const Said = { by: z.string(), inboxId: z.string() };

const event = <K extends string, B extends z.ZodType>(kind: K, body: B) => z.object({ kind: z.literal(kind), body });

/** What an event says, by kind. Those about a step carry `nodeId`; those that begin with `run_`, and what is said to the whole run, do not. */
export const EventPayload = z.discriminatedUnion("kind", [
  event(
    "run_created",
    z.object({
      workflowId: z.string(),
      version: z.number().int(),
      input: Json,
      initiator: z.string(),
      /** The run that this one retries or forks, or whose step waits for it. */
      parentRunId: z.string().optional(),
      parentStep: ParentStep.optional(),
      /** How many runs are above this one. */
      depth: z.number().int().optional(),
      /** Where `run.hooks` lead: this, a dot and the node's id. */
      hookUrl: z.string().optional(),
      editor: EditorOptions.optional(),
      /** So many of the events that follow were copied from the parent's journal. */
      copied: z.number().int().optional(),
    }),
  ),
  event("run_claimed", z.object({ owner: z.string() })),
  /** Written before an outside call. `input` is what the adapter receives; secrets in it are references. */
  event(
    "step_started",
    z.object({
      input: Json,
      effect: Effect,
      key: z.string(),
      generation: z.number().int(),
      /** The approval whose grant it uses up. */ grant: StepPlace.optional(),
    }),
  ),
  /** Which agent version, tool hash or model the step uses; recovery uses the same. */
  event("step_bound", z.object({ binding: z.record(z.string(), z.string()) })),
  event("step_handle", z.object({ handle: StepHandle })),
  /** `handle` is the source handle by which the run goes on. */
  event(
    "step_succeeded",
    z.object({
      output: Json,
      handle: z.string(),
      /** What it sets in the context; null removes a key. */
      patch: z.record(z.string(), Json).optional(),
      /** Not executed: pinned by the editor, or an equal earlier call's output. */
      source: z.enum(["pin", "cache"]).optional(),
    }),
  ),
  /** Nothing to do before `until` (ms since the epoch), or before the signal, the call of its hook or the end of the child run. */
  event(
    "step_waiting",
    z.object({
      until: z.number().optional(),
      signal: z.string().optional(),
      hook: z.literal(true).optional(),
      childRunId: z.string().optional(),
      /** When it gives up waiting, ms since the epoch. */
      deadline: z.number().optional(),
    }),
  ),
  event(
    "approval_requested",
    z.object({
      message: z.string().optional(),
      approvers: Approvers,
      n: z.number().int(),
      deadline: z.number().optional(),
      onDeadline: z.enum(["reject", "continue", "escalate"]),
      escalateTo: Approvers.optional(),
      arguments: Json.optional(),
    }),
  ),
  event(
    "approval_decided",
    z.object({ ...Said, decision: z.enum(["approve", "reject"]), comment: z.string().optional(), arguments: Json.optional() }),
  ),
  event("approval_delegated", z.object({ ...Said, to: Approver })),
  /** The deadline has passed; others may decide now. */
  event("approval_escalated", z.object({ approvers: Approvers })),
  event("signal_received", z.object({ ...Said, name: z.string(), payload: Json })),
  event("hook_called", z.object({ ...Said, payload: Json })),
  event(
    "child_ended",
    z.object({
      inboxId: z.string(),
      childRunId: z.string(),
      status: z.enum(["succeeded", "failed", "cancelled"]),
      output: Json.optional(),
      error: StepError.optional(),
    }),
  ),
  /** The next round of a `loop`. */
  event("round_started", z.object({ index: z.number().int() })),
  /** The turns of a `team` that begin now, in order; `index` of the first is the number of turns so far. */
  event("turns_started", z.object({ turns: z.array(TeamTurn), /** The team's task; with the first turns. */ task: Json.optional() })),
  /** `retryAt` (ms since the epoch) is present when another attempt follows; otherwise the failure is final. `handle` says how the run goes on: absent means the run fails. */
  event(
    "step_failed",
    z.object({ error: StepError, retryAt: z.number().optional(), handle: z.string().optional(), output: Json.optional() }),
  ),
  event("step_cancelled", z.object({ outcome: z.enum(["cancelled", "outcome_unknown"]), reason: z.string() })),
  /**
   * The step was in flight when its worker died and its effect is in doubt; the scope waits for an answer. With `error`, the step
   * has not taken effect: it waits until what the error says is settled.
   */
  event("step_parked", z.object({ question: z.string(), generation: z.number().int(), error: StepError.optional() })),
  event("step_answered", z.object({ answer: Answer, by: z.string(), inboxId: z.string(), output: Json.optional() })),
  event(
    "map_started",
    z.object({
      items: z.array(Json),
      concurrency: z.number().int(),
      onItemError: z.enum(["fail", "continue"]),
      /** In a fork: so many items had begun in the parent. */
      begun: z.number().int().optional(),
    }),
  ),
  event("cancel_requested", z.object({ by: z.string(), inboxId: z.string(), reason: z.string().optional() })),
  /** Somebody outside the run has changed its context; null removes a key. */
  event("context_patched", z.object({ patch: z.record(z.string(), Json), by: z.string(), inboxId: z.string() })),
  event("run_paused", z.object({ ...Said, reason: z.string().optional() })),
  event("run_resumed", z.object({ ...Said })),
  event("breakpoint_hit", z.object({})),
  /** The run has taken longer than its definition allows. */
  event("run_expired", z.object({ error: StepError })),
  /** From now on these steps are undone, in this order. */
  event("compensation_started", z.object({ steps: z.array(StepPlace) })),
  event("force_requested", z.object({ ...Said, reason: z.string().optional() })),
  /** The run goes on with another version; `nodes` renames those that are called differently there. */
  event("version_moved", z.object({ ...Said, from: z.number().int(), to: z.number().int(), nodes: z.record(z.string(), z.string()) })),
  /** Somebody wanted to move the run, which does not fit the other version any more. */
  event(
    "move_refused",
    z.object({
      ...Said,
      to: z.number().int(),
      reasons: z.array(z.object({ code: z.string(), message: z.string(), nodeId: z.string().optional() })),
    }),
  ),
  event("run_succeeded", z.object({ output: Json })),
  event(
    "run_failed",
    z.object({
      error: StepError,
      nodeId: z.string().optional(),
      scope: z.string().optional(),
      /** Steps whose undoing failed or was cut short. */ notUndone: z.array(StepPlace).optional(),
    }),
  ),
  event("run_cancelled", z.object({ reason: z.string().optional(), notUndone: z.array(StepPlace).optional() })),
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

import type { Json } from "#contract/common.ts";
import type { Definition, Effect, NodeType, Retry, WorkflowNode } from "#contract/definition.ts";
import type { EventBody, StepError, StepHandle } from "#contract/journal.ts";

/** What `compile` makes of a definition: looked up by the driver, never changed, shared by all runs of a version. */
export type Plan = {
  readonly definition: Definition;
  readonly nodes: ReadonlyMap<string, PlanNode>;
};

export type PlanNode = {
  readonly id: string;
  readonly type: NodeType;
  readonly node: WorkflowNode;
  /** The enclosing `map`, or null at the top. */
  readonly parentId: string | null;
  readonly effect: Effect;
  readonly retry: Retry;
  readonly timeoutMs: number | null;
};

export const STEP_STATUSES = ["pending", "ready", "running", "retrying", "parked", "succeeded", "failed", "skipped", "cancelled"] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** One node in one scope. `attempt` counts from 1 within a generation; "run it again" starts a new generation. */
export type StepState = {
  scope: string;
  nodeId: string;
  status: StepStatus;
  attempt: number;
  generation: number;
  /** Idempotency key of this generation, once started. */
  key?: string;
  effect?: Effect;
  input?: Json;
  output?: Json;
  error?: StepError;
  /** The source handle by which the run went on. */
  handle?: string;
  taskHandle?: StepHandle;
  binding?: Record<string, string>;
  /** Database times, ISO 8601. */
  startedAt?: string;
  endedAt?: string;
  /** ms since the epoch; present while `retrying`. */
  retryAt?: number;
  question?: string;
  /** Of a `map`: its items, and how many have ended. */
  items?: Json[];
  itemsDone?: number;
};

/** A run as the fold of its journal. Private to the engine but for reading. */
export type RunState = {
  readonly plan: Plan;
  seq: number;
  epoch: number;
  status: "queued" | "running" | "waiting" | "cancelling" | "succeeded" | "failed" | "cancelled";
  input: Json;
  output: Json | null;
  error: (StepError & { nodeId?: string; scope?: string }) | null;
  /** By `stepKey(scope, nodeId)`; iterates in the order in which steps first became known. */
  readonly steps: Map<string, StepState>;
};

type StepAddress = { scope: string; nodeId: string; attempt: number; generation: number };

/** What the driver must do now. Equal commands keep coming until an event answers them: the driver keeps track of what is under way. */
export type Command =
  /** Compute with `evaluate(state, command)` and journal the event it returns. No I/O. */
  | (StepAddress & { kind: "evaluate" })
  /** Call the outside. `resume` is present when an earlier process had already journaled `step_started`. */
  | (StepAddress & { kind: "invoke"; type: "mcp_tool" | "openai_model" | "custom_agent" | "a2a_agent"; resume?: Resume })
  /** Nothing to do for this step before `at` (ms since the epoch). */
  | (StepAddress & { kind: "wait_until"; at: number })
  /** End the open call of this step: the run is being cancelled or has failed. */
  | (StepAddress & { kind: "abort"; reason: string })
  /** Append this event: the run is over. Comes only when nothing is open any more. */
  | {
      kind: "finish";
      event:
        | { kind: "run_succeeded"; body: EventBody<"run_succeeded"> }
        | { kind: "run_failed"; body: EventBody<"run_failed"> }
        | { kind: "run_cancelled"; body: EventBody<"run_cancelled"> };
    };

export type Resume = { input: Json; key: string; effect: Effect; binding?: Record<string, string>; handle?: StepHandle };

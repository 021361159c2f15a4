import type { Json } from "#contract/common.ts";
import type { Definition, Effect, NodeType, Retry, WorkflowNode } from "#contract/definition.ts";
import type { EventBody, StepError, StepHandle } from "#contract/journal.ts";
import type { CompiledValue } from "./expressions/index.ts";

/** What `compile` makes of a definition: looked up by the driver, never changed, shared by all runs of a version. */
export type Plan = {
  readonly definition: Definition;
  readonly nodes: ReadonlyMap<string, PlanNode>;
  /** The nodes at the top (`null`) and inside each `map`, in definition order. */
  readonly bodies: ReadonlyMap<string | null, PlanBody>;
};

export type PlanBody = {
  readonly nodes: readonly PlanNode[];
  /** Where it begins: the start node at the top, nodes without incoming edges inside a map. */
  readonly entries: readonly PlanNode[];
  /** Where it ends: nodes without outgoing edges. */
  readonly terminals: readonly PlanNode[];
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
  readonly incoming: number;
  readonly outgoing: readonly { readonly handle: string; readonly target: PlanNode }[];
  /** What the node computes: the whole `data` of an outside node, else the one field that matters. */
  readonly value: CompiledValue;
};

export const OUTSIDE_TYPES = ["mcp_tool", "openai_model", "custom_agent", "a2a_agent"] as const;
export type OutsideType = (typeof OUTSIDE_TYPES)[number];

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
  /** Of a `map`, once its items are known. */
  map?: MapState;
  /** How many incoming edges are resolved, and how many of them are live. */
  resolved: number;
  live: number;
};

export type MapState = {
  readonly items: readonly Json[];
  readonly concurrency: number;
  readonly onItemError: "fail" | "continue";
  /** The next item to begin, the number under way, and the number that have ended. */
  next: number;
  active: number;
  done: number;
  /** By item; an item that failed has `{"error": …}`. */
  readonly results: Json[];
  /** The first item's failure that ends the map. */
  failure?: StepError;
};

/** The top of a run, or one item of a `map`. */
export type Scope = {
  readonly path: string;
  readonly body: PlanBody;
  readonly mapId: string | null;
  readonly parent: Scope | null;
  readonly index?: number;
  readonly item?: Json;
  /** Steps that have ended, of `body.nodes.length`. */
  ended: number;
  /** Open outside calls in here and in the items of maps in here. */
  calls: number;
  /** Set when a step failed for good: nothing new begins, open calls are aborted. */
  failure?: StepError & { nodeId: string; scope: string };
  closed: boolean;
};

/** A run as the fold of its journal. Read it freely; only `evolve` changes it. */
export type RunState = {
  readonly plan: Plan;
  readonly runId: string;
  seq: number;
  epoch: number;
  /** Database time of the newest event. */
  at: string;
  status: "queued" | "running" | "waiting" | "cancelling" | "succeeded" | "failed" | "cancelled";
  workflowId: string;
  version: number;
  input: Json;
  output: Json | null;
  error: (StepError & { nodeId?: string; scope?: string }) | null;
  cancel: { reason?: string } | null;
  /** What the steps share, and how often it has changed. */
  context: { version: number; values: { readonly [key: string]: Json } };
  /** By `stepKey(scope, nodeId)`; iterates in the order in which steps first became known. */
  readonly steps: Map<string, StepState>;
  readonly scopes: Map<string, Scope>;
  /** Steps to act on: ready or running, maps only while they are to be opened or closed. */
  readonly active: Set<StepState>;
  /** Steps that wait for a time or an answer. */
  readonly idle: Set<StepState>;
};

export type StepAddress = { scope: string; nodeId: string; attempt: number; generation: number };

/** What the driver must do now. Equal commands keep coming until an event answers them: the driver keeps track of what is under way. */
export type Command =
  /** Compute with `evaluate(state, command)` and journal the event it returns. No I/O. */
  | (StepAddress & { kind: "evaluate" })
  /** Call the outside. `resume` is present when an earlier process had already journaled `step_started`. */
  | (StepAddress & { kind: "invoke"; type: OutsideType; resume?: Resume })
  /** Nothing to do for this step before `at` (ms since the epoch). */
  | (StepAddress & { kind: "wait_until"; at: number })
  /** End the open call of this step: the run is being cancelled or has failed. */
  | (StepAddress & { kind: "abort"; reason: string })
  /** Append this event: the run is over. Comes only when nothing is open any more. */
  | { kind: "finish"; event: FinalEvent };

export type FinalEvent =
  | { kind: "run_succeeded"; body: EventBody<"run_succeeded"> }
  | { kind: "run_failed"; body: EventBody<"run_failed"> }
  | { kind: "run_cancelled"; body: EventBody<"run_cancelled"> };

/** Which step a command or event is about. */
export type StepCommand = Exclude<Command, { kind: "finish" }>;

export type Resume = { input: Json; key: string; effect: Effect; binding?: Record<string, string>; handle?: StepHandle };

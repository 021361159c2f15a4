import type { Json } from "#contract/common.ts";
import type { Definition, NodeType, WorkflowNode } from "#contract/definition.ts";
import type { EditorOptions, EventBody, ParentStep, StepError, StepHandle, StepPlace } from "#contract/journal.ts";
import type { TeamTurn } from "#contract/node-data.ts";
import type { Effect, Retry } from "#contract/policy.ts";
import type { CompiledValue } from "./expressions/index.ts";

/** What `compile` makes of a definition: looked up by the driver, never changed, shared by all runs of a version. */
export type Plan = {
  readonly definition: Definition;
  /** By id; the members of a team are nodes too, as `<team>.<member>`. */
  readonly nodes: ReadonlyMap<string, PlanNode>;
  /** The nodes at the top (`null`) and inside each container, in definition order. */
  readonly bodies: ReadonlyMap<string | null, PlanBody>;
  /** The nodes that wait for a call of their hook. */
  readonly hookIds: readonly string[];
  readonly hasApprovals: boolean;
};

export type PlanBody = {
  /** Without those that only undo others. */
  readonly nodes: readonly PlanNode[];
  /** Where it begins: the start node at the top, nodes without incoming edges inside a container. */
  readonly entries: readonly PlanNode[];
  /** Where it ends: nodes without outgoing edges. */
  readonly terminals: readonly PlanNode[];
};

export type PlanNode = {
  readonly id: string;
  readonly type: NodeType;
  readonly node: WorkflowNode;
  /** The enclosing container, or null at the top. */
  readonly parentId: string | null;
  readonly effect: Effect;
  readonly retry: Retry;
  readonly timeoutMs: number | null;
  readonly incoming: number;
  readonly outgoing: readonly { readonly handle: string; readonly target: PlanNode }[];
  /** Of a `join` that does not wait for all: how many live edges let it run, and whose work is then superfluous. */
  readonly join: PlanJoin | null;
  /** What the node computes: the whole `data` of an outside node, else the one field that matters. */
  readonly value: CompiledValue;
};

export type PlanJoin = {
  readonly needed: number;
  /** All ways on from these lead only to the join. */
  readonly losers: readonly string[];
};

export const OUTSIDE_TYPES = [
  "agent",
  "mcp_tool",
  "openai_model",
  "custom_agent",
  "a2a_agent",
  "subworkflow",
  "http",
  "code",
] as const satisfies readonly NodeType[];
export type OutsideType = (typeof OUTSIDE_TYPES)[number];

export const STEP_STATUSES = [
  "pending",
  "ready",
  "running",
  "waiting",
  "retrying",
  "parked",
  "succeeded",
  "failed",
  "skipped",
  "cancelled",
] as const;
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
  /** The number of the event that ended it. */
  endedSeq?: number;
  /** ms since the epoch; present while `retrying`. */
  retryAt?: number;
  question?: string;
  /** Present while `waiting`, and until what was waited for has been made its outcome. */
  waiting?: Waiting;
  approval?: ApprovalState;
  /** Of a container, once it has begun. */
  map?: MapState;
  loop?: LoopState;
  team?: TeamState;
  /** A join has gone on without it. */
  isUnwanted?: true;
  /** Runs to undo another step. */
  isUndoing?: true;
  /** Its breakpoint has stopped the run once. */
  hasPaused?: true;
  /** How many incoming edges are resolved, and how many of them are live. */
  resolved: number;
  live: number;
};

export type Waiting = EventBody<"step_waiting"> & {
  /** What has come: the payload of the signal or hook, or how the child run has ended. */
  delivered?: { payload: Json } | { child: Omit<EventBody<"child_ended">, "inboxId"> };
};

export type ApprovalState = EventBody<"approval_requested"> & {
  /** By whom, in order; one principal counts once. */
  decisions: { by: string; decision: "approve" | "reject"; comment?: string }[];
  isEscalated: boolean;
};

export type MapState = {
  readonly items: readonly Json[];
  readonly concurrency: number;
  readonly onItemError: "fail" | "continue";
  /** So many items begin at once, whatever the concurrency. */
  readonly begun?: number;
  /** The next item to begin, the number under way, and the number that have ended. */
  next: number;
  active: number;
  done: number;
  /** By item; an item that failed has `{"error": …}`. */
  readonly results: Json[];
  /** Characters of the results as JSON, together. */
  size: number;
  /** The first item's failure that ends the map. */
  failure?: StepError;
};

export type LoopState = {
  /** Rounds begun, and whether one is under way. */
  rounds: number;
  isOpen: boolean;
  /** The result of the last round that ended; null before. */
  last: Json;
  failure?: StepError;
};

export type TeamState = {
  readonly task: Json;
  readonly turns: (TeamTurn & { output?: Json; error?: StepError })[];
  /** Turns under way. */
  active: number;
};

/** The top of a run, or one item of a `map`, round of a `loop` or turn of a `team`. */
export type Scope = {
  readonly path: string;
  body: PlanBody;
  containerId: string | null;
  readonly parent: Scope | null;
  readonly index?: number;
  readonly item?: Json;
  /** Steps that have ended, of `body.nodes.length`. */
  ended: number;
  /** Open outside calls in here and in the scopes in here. */
  calls: number;
  /** Set when a step failed for good: nothing new begins, open calls are aborted. */
  failure?: StepError & Partial<StepPlace>;
  /** Its container is not needed any more. */
  isUnwanted?: true;
  /** Steps in here, or deeper, may have to be undone: it is kept. */
  isUndoable?: true;
  closed: boolean;
};

/** A run as the fold of its journal. Read it freely; only `evolve` changes it. */
export type RunState = {
  /** That of the version which the run follows now. */
  plan: Plan;
  /** Plans of other versions; whoever folds the journal puts them in before the event that moves the run. */
  readonly plans: Map<number, Plan>;
  readonly runId: string;
  /** Scopes that are over, and their steps, are forgotten: results are kept by their containers. */
  readonly forgets: boolean;
  seq: number;
  epoch: number;
  /** Database time of the newest event. */
  at: string;
  status: "queued" | "running" | "waiting" | "paused" | "cancelling" | "compensating" | "succeeded" | "failed" | "cancelled";
  workflowId: string;
  version: number;
  input: Json;
  output: Json | null;
  error: (StepError & Partial<StepPlace>) | null;
  initiator: string;
  parentStep: ParentStep | null;
  depth: number;
  hookUrl: string;
  editor: EditorOptions | null;
  /** ms since the epoch; null without a limit. */
  expiresAt: number | null;
  cancel: { reason?: string } | null;
  /** Ends at once, whatever is open. */
  isForced: boolean;
  isPaused: boolean;
  /** Once undoing has begun: what is still to be undone, next first, and what could not be. */
  undo: { queue: StepPlace[]; failed: StepPlace[] } | null;
  /** Signals that nobody has waited for yet, oldest first. */
  readonly signals: Map<string, Json[]>;
  /** Grants that have been used, by the place of their approval. */
  readonly usedGrants: Map<string, string>;
  /** What the steps share, and how often it has changed. */
  context: { version: number; values: { readonly [key: string]: Json } };
  /** By `stepKey(scope, nodeId)`; iterates in the order in which steps first became known. */
  readonly steps: Map<string, StepState>;
  readonly scopes: Map<string, Scope>;
  /** Steps to act on: ready or running, containers only while they are to be opened or closed. */
  readonly active: Set<StepState>;
  /** Steps that wait for a time, a message or an answer. */
  readonly idle: Set<StepState>;
};

export type StepAddress = StepPlace & { attempt: number; generation: number };

/** What the driver must do now. Equal commands keep coming until an event answers them: the driver keeps track of what is under way. */
export type Command =
  /** Compute with `evaluate(state, command)` and journal the event it returns. No I/O. */
  | (StepAddress & { kind: "evaluate" })
  /** Call the outside. `resume` is present when an earlier process had already journaled `step_started`. */
  | (StepAddress & { kind: "invoke"; type: OutsideType; resume?: Resume })
  /** Nothing to do for this step (or, without one, the run) before `at` (ms since the epoch). */
  | { kind: "wait_until"; at: number }
  /** End the open call of this step, or the child run it waits for: the step is not wanted any more. */
  | (StepAddress & { kind: "abort"; reason: string; childRunId?: string })
  /** Append this event: nothing needs to be computed for it. With `isQuiet`, only once nothing else is on its way to the journal. */
  | { kind: "record"; event: RecordedEvent; isQuiet: boolean }
  /** Append this event: the run is over. Comes only when nothing is open any more, or the run is forced. */
  | { kind: "finish"; event: FinalEvent };

export type RecordedEvent =
  | { kind: "run_expired"; scope: ""; nodeId: null; attempt: 0; body: EventBody<"run_expired"> }
  | { kind: "compensation_started"; scope: ""; nodeId: null; attempt: 0; body: EventBody<"compensation_started"> }
  | { kind: "breakpoint_hit"; scope: string; nodeId: string; attempt: number; body: EventBody<"breakpoint_hit"> };

export type FinalEvent =
  | { kind: "run_succeeded"; body: EventBody<"run_succeeded"> }
  | { kind: "run_failed"; body: EventBody<"run_failed"> }
  | { kind: "run_cancelled"; body: EventBody<"run_cancelled"> };

/** Which step a command or event is about. */
export type StepCommand = Extract<Command, StepAddress>;

export type Resume = { input: Json; key: string; effect: Effect; binding?: Record<string, string>; handle?: StepHandle };

export type ContainerType = "map" | "loop" | "team";

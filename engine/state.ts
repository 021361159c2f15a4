import type { Json } from "#contract/common.ts";
import type { Plan, PlanNode, RunState, Scope, StepState } from "./types.ts";

export const stepKey = (scope: string, nodeId: string): string => `${scope}/${nodeId}`;

export type Start = {
  runId?: string;
  /** Of other versions that the run was moved to. */
  plans?: ReadonlyMap<number, Plan>;
  /** Leave scopes that are over out of the memory. */
  forgets?: boolean;
};

/** A run before its first event. */
export function initialState(plan: Plan, { runId = "", plans = new Map(), forgets = false }: Start = {}): RunState {
  return {
    plan,
    plans: new Map(plans),
    runId,
    forgets,
    seq: 0,
    epoch: 0,
    at: "1970-01-01T00:00:00.000Z",
    status: "queued",
    workflowId: "",
    version: 0,
    input: null,
    output: null,
    error: null,
    initiator: "",
    parentStep: null,
    depth: 0,
    hookUrl: "",
    editor: null,
    expiresAt: null,
    cancel: null,
    isForced: false,
    isPaused: false,
    undo: null,
    signals: new Map(),
    usedGrants: new Map(),
    context: { version: 0, values: {} },
    steps: new Map(),
    scopes: new Map(),
    active: new Set(),
    idle: new Set(),
  };
}

export function planNodeOf(state: RunState, nodeId: string): PlanNode {
  const node = state.plan.nodes.get(nodeId);
  if (!node) throw new Error(`The journal names the node ${nodeId}, which the definition does not have.`);
  return node;
}

export function scopeOf(state: RunState, path: string): Scope {
  const scope = state.scopes.get(path);
  if (!scope) throw new Error(`The journal names the scope ${path}, which has not begun.`);
  return scope;
}

/** The step of a node in a scope; made when it is first heard of. */
export function stepOf(state: RunState, scope: string, nodeId: string): StepState {
  const key = stepKey(scope, nodeId);
  const known = state.steps.get(key);
  if (known) return known;
  const step: StepState = { scope, nodeId, status: "pending", attempt: 1, generation: 1, resolved: 0, live: 0 };
  state.steps.set(key, step);
  return step;
}

/** What `steps.<id>` gives in a scope: the output of the nearest step of that name, looking outwards. */
export const outputSeenFrom = (state: RunState, scope: Scope, nodeId: string): Json | undefined =>
  stepSeenFrom(state, scope, nodeId)?.output;

/** The nearest step of a node, looking outwards from a scope. */
export function stepSeenFrom(state: RunState, scope: Scope, nodeId: string): StepState | undefined {
  const node = state.plan.nodes.get(nodeId);
  for (let at: Scope | null = scope; node && at; at = at.parent) {
    if (at.containerId === node.parentId) return state.steps.get(stepKey(at.path, nodeId));
  }
  return undefined;
}

export const isFinalStatus = (status: RunState["status"]): boolean =>
  status === "succeeded" || status === "failed" || status === "cancelled";

/** Whether the scope, or one around it, has failed for good or is not needed any more, or the run is being cancelled. */
export function isStopping(state: RunState, scope: Scope): boolean {
  if (state.cancel) return true;
  for (let at: Scope | null = scope; at; at = at.parent) if (at.failure || at.isUnwanted) return true;
  return false;
}

/** Whether `scope` is `outer` or lies inside it. */
export function isWithin(scope: Scope | null, outer: Scope): boolean {
  for (let at = scope; at; at = at.parent) if (at === outer) return true;
  return false;
}

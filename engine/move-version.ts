import type { EventBody } from "#contract/journal.ts";
import { turnBody } from "./containers.ts";
import { stepKey } from "./state.ts";
import { layOut } from "./step-end.ts";
import type { PlanBody, RunState, Scope, StepState } from "./types.ts";
import { renameKept } from "./waits.ts";

/**
 * The run goes on with another version. Steps keep what they are under the name that their node has there; what has not begun
 * is laid out anew: nodes whose way has become clear in the new graph are ready at once. Only `sortRun` decides whether a run
 * may be moved; here it is assumed.
 */
export function moveVersion(state: RunState, { to, nodes }: EventBody<"version_moved">): void {
  const plan = state.plans.get(to);
  if (!plan) throw new Error(`The journal moves the run to version ${to}, which was not loaded.`);
  state.plan = plan;
  state.version = to;
  const named = renaming(nodes);
  renameSteps(state, named);
  for (const scope of state.scopes.values()) {
    if (scope.containerId !== null) scope.containerId = named(scope.containerId);
    scope.body = bodyOf(state, scope) ?? scope.body;
  }
  for (const scope of state.scopes.values()) if (!scope.closed) layOut(state, scope);
}

/** What a node is called in the other version. A team's members keep their names behind that of the team. */
export function renaming(nodes: { readonly [from: string]: string }): (nodeId: string) => string {
  const names = new Map(Object.entries(nodes));
  return (nodeId) => {
    const [outer = "", ...member] = nodeId.split(".");
    return [names.get(outer) ?? outer, ...member].join(".");
  };
}

function renameSteps(state: RunState, named: (nodeId: string) => string): void {
  const steps = [...state.steps.values()];
  const keys = new Map<string, string>();
  state.steps.clear();
  for (const step of steps) {
    const before = stepKey(step.scope, step.nodeId);
    step.nodeId = named(step.nodeId);
    const key = stepKey(step.scope, step.nodeId);
    keys.set(before, key);
    if (isBegun(step)) state.steps.set(key, step);
    else {
      state.active.delete(step);
      state.idle.delete(step);
    }
  }
  const keyOf = (key: string): string => keys.get(key) ?? key;
  renameKept(state, keyOf);
  const grants = [...state.usedGrants];
  state.usedGrants.clear();
  for (const [approval, key] of grants) state.usedGrants.set(keyOf(approval), key);
}

/** Whether something of the step would be lost if its node were looked at as if for the first time. */
export function isBegun({ status, startedAt, waiting, approval, generation, attempt }: StepState): boolean {
  if (status === "pending" || status === "skipped") return false;
  const isFresh = startedAt === undefined && !waiting && !approval && generation === 1 && attempt === 1;
  return !(status === "ready" && isFresh);
}

function bodyOf({ plan, steps }: RunState, { containerId, parent, index = 0 }: Scope): PlanBody | undefined {
  const team = containerId !== null && parent ? steps.get(stepKey(parent.path, containerId))?.team : undefined;
  const turn = team?.turns[index];
  return turn && containerId !== null ? turnBody(plan, containerId, turn.member) : plan.bodies.get(containerId);
}

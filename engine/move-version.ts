import type { EventBody } from "#contract/journal.ts";
import { stepKey, stepOf } from "./state.ts";
import type { PlanBody, PlanNode, RunState, Scope, StepState } from "./types.ts";

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
  renameSteps(state, nodes);
  for (const scope of state.scopes.values()) {
    const body = plan.bodies.get(scope.containerId === null ? null : (nodes[scope.containerId] ?? scope.containerId));
    if (body && !scope.closed) layOut(state, scope, body);
  }
}

function renameSteps(state: RunState, nodes: { readonly [from: string]: string }): void {
  const steps = [...state.steps.values()];
  state.steps.clear();
  for (const step of steps) {
    step.nodeId = nodes[step.nodeId] ?? step.nodeId;
    if (isBegun(step)) state.steps.set(stepKey(step.scope, step.nodeId), step);
    else {
      state.active.delete(step);
      state.idle.delete(step);
    }
  }
}

const isBegun = ({ status }: StepState): boolean => status !== "pending" && status !== "ready" && status !== "skipped";

function layOut(state: RunState, scope: Scope, body: PlanBody): void {
  scope.body = body;
  scope.ended = 0;
  for (const node of inOrder(body)) settle(state, scope, node);
}

/** Sources before their targets. */
function inOrder(body: PlanBody): PlanNode[] {
  const left = new Map(body.nodes.map((node) => [node.id, node.incoming]));
  const free = body.nodes.filter((node) => node.incoming === 0);
  const order: PlanNode[] = [];
  for (let node = free.shift(); node; node = free.shift()) {
    order.push(node);
    for (const { target } of node.outgoing) {
      const count = (left.get(target.id) ?? 0) - 1;
      left.set(target.id, count);
      if (count === 0) free.push(target);
    }
  }
  return order;
}

/** All edges that lead to this node have been looked at; tells its own targets what it means for them. */
function settle(state: RunState, scope: Scope, node: PlanNode): void {
  const step = stepOf(state, scope.path, node.id);
  if (step.status === "pending" && step.resolved === node.incoming && node.incoming > 0) {
    if (step.live > 0) {
      step.status = "ready";
      state.active.add(step);
    } else Object.assign(step, { status: "skipped", endedAt: state.at, endedSeq: state.seq });
  }
  if (step.endedAt === undefined) return;
  scope.ended += 1;
  for (const { handle, target } of node.outgoing) {
    const next = stepOf(state, scope.path, target.id);
    next.resolved += 1;
    if (handle === step.handle) next.live += 1;
  }
}

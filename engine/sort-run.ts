/*
 * Whether a live run could go on with another version of its workflow. First what is there of each step that has begun; then,
 * when nothing speaks against it, a trial: the move is made on a copy, and must leave every begun step where it could have begun.
 */
import type { MoveObstacle, MoveReason, Sorted, Unmapped } from "#contract/versions.ts";
import { underWayReason } from "./move-under-way.ts";
import { isBegun, moveVersion, renaming } from "./move-version.ts";
import { isOutside } from "./plan.ts";
import { isFinalStatus, stepKey } from "./state.ts";
import type { Plan, PlanNode, RunState, Scope, StepState } from "./types.ts";

type Mapping = { readonly [from: string]: string };

/** `nodes` says what the nodes of the run's version are called in `to`; those that keep their names need no entry. */
export function sortRun(state: RunState, to: Plan, nodes: Mapping = {}): Sorted {
  const named = renaming(nodes);
  const reasons = wholeRun(state, to);
  const unmapped: Unmapped[] = [];
  const begun = begunNodes(state);
  const taken = new Map<string, string>();
  for (const [nodeId, steps] of begun) {
    const node = state.plan.nodes.get(nodeId);
    if (!node || isMember(state.plan, node)) continue;
    const target = to.nodes.get(named(nodeId));
    if (!target || !fits(to, { node, target, named })) {
      const found = candidatesFor(node, { to, named, begun });
      reasons.push(missing(node, { found, isMapped: Object.hasOwn(nodes, nodeId) }));
      if (found.length > 0) unmapped.push({ nodeId, candidates: found });
      continue;
    }
    const other = taken.get(target.id);
    if (other !== undefined)
      reasons.push({ code: "mapping_ambiguous", nodeId, message: `${other} and ${nodeId} would both be ${target.id}.` });
    taken.set(target.id, nodeId);
    reasons.push(...steps.flatMap((step) => underWayReason(step, { node, target }) ?? []).slice(0, 1));
  }
  if (reasons.length === 0) reasons.push(...trialReasons(state, to, nodes));
  return { verdict: verdictOf(reasons), reasons, unmapped };
}

const CURABLE: ReadonlySet<MoveObstacle> = new Set(["mapping_missing", "mapping_wrong", "mapping_ambiguous"]);

function verdictOf(reasons: readonly MoveReason[]): Sorted["verdict"] {
  if (reasons.length === 0) return "compatible";
  return reasons.every(({ code }) => CURABLE.has(code)) ? "needs_mapping" : "must_finish";
}

/** What concerns no single step. */
function wholeRun(state: RunState, to: Plan): MoveReason[] {
  const reasons: MoveReason[] = [];
  const note = (code: MoveObstacle, message: string, nodeId?: string): void =>
    void reasons.push({ code, message, ...(nodeId !== undefined && { nodeId }) });
  const isEnding = isFinalStatus(state.status) || state.cancel || state.undo || [...state.scopes.values()].some(({ failure }) => failure);
  if (isEnding) note("run_ending", `The run is ${state.status}, or about to end; it ends on its version.`);
  else if (state.status !== "waiting" && state.status !== "paused")
    note("not_parked", `Expected a run that waits or is paused; it is ${state.status}.`);
  if (state.editor) note("editor_run", "A run that tries a workflow out stays on its version.");
  const open = [...state.active].find(({ status, nodeId }) => status === "running" && isOutside(state.plan.nodes.get(nodeId)?.type ?? ""));
  if (open) note("call_open", `A call of ${open.nodeId} is under way; when it has ended, the run can be sorted again.`, open.nodeId);
  const isNowSecret = to.definition.classification === "confidential" && state.plan.definition.classification !== "confidential";
  if (isNowSecret) note("classification_changed", "The run's values are stored in clear; the version would have them encrypted.");
  return reasons;
}

/** The steps that have begun, by their node. */
function begunNodes(state: RunState): Map<string, StepState[]> {
  return Map.groupBy([...state.steps.values()].filter(isBegun), ({ nodeId }) => nodeId);
}

const isMember = ({ nodes }: Plan, { parentId }: PlanNode): boolean => parentId !== null && nodes.get(parentId)?.type === "team";

type Pair = { node: PlanNode; target: PlanNode; named: (nodeId: string) => string };

/** The same kind of node in the same container. One that only undoes others is never begun before the run ends. */
function fits(to: Plan, { node, target, named }: Pair): boolean {
  const parentId = node.parentId === null ? null : named(node.parentId);
  return node.type === target.type && target.parentId === parentId && (to.bodies.get(parentId)?.nodes.includes(target) ?? false);
}

type Search = { to: Plan; named: (nodeId: string) => string; begun: ReadonlyMap<string, unknown> };
const CANDIDATES = 10;

/** Nodes of the same kind that no other step is yet; those with the same label first. */
function candidatesFor(node: PlanNode, { to, named, begun }: Search): string[] {
  const taken = new Set([...begun.keys()].filter((nodeId) => nodeId !== node.id).map(named));
  const parentId = node.parentId === null ? null : named(node.parentId);
  const isBeside = (target: PlanNode): boolean =>
    parentId !== null && !to.nodes.has(parentId) ? target.parentId !== null : target.parentId === parentId;
  const like = [...to.nodes.values()].filter((target) => target.type === node.type && isBeside(target) && !taken.has(target.id));
  const { label } = node.node;
  const [same, other] = [like.filter((target) => label !== undefined && target.node.label === label), like];
  return [...new Set([...same, ...other].map(({ id }) => id))].slice(0, CANDIDATES);
}

function missing({ id, type }: PlanNode, { found, isMapped }: { found: readonly string[]; isMapped: boolean }): MoveReason {
  if (found.length === 0) return { code: "node_missing", nodeId: id, message: `The version has no ${type} node that ${id} could be.` };
  const could = `it could be ${found.join(", ")}`;
  if (isMapped)
    return { code: "mapping_wrong", nodeId: id, message: `The node that ${id} is mapped to is not a ${type} in its place; ${could}.` };
  return { code: "mapping_missing", nodeId: id, message: `The version has no ${type} node ${id} in its place; ${could}.` };
}

const TRIAL = 0;

function trialReasons(state: RunState, to: Plan, nodes: Mapping): MoveReason[] {
  const copy = copyOf(state, to);
  moveVersion(copy, { from: state.version, to: TRIAL, nodes: { ...nodes }, by: "", inboxId: "" });
  return [...copy.scopes.values()]
    .filter(({ closed }) => !closed)
    .flatMap((scope) => scope.body.nodes.flatMap((node) => wayReason(copy, scope, node) ?? []));
}

/** Whether the step could have begun in this graph. */
function wayReason(state: RunState, scope: Scope, { id, incoming, join }: PlanNode): MoveReason | undefined {
  const step = state.steps.get(stepKey(scope.path, id));
  if (!step || !isBegun(step) || incoming === 0 || (join && step.live >= join.needed)) return undefined;
  if (step.resolved < incoming) {
    return { code: "comes_too_late", nodeId: id, message: `${id} has begun; there, it comes after steps that have not ended.` };
  }
  if (step.live > 0) return undefined;
  return { code: "way_changed", nodeId: id, message: `${id} has begun; there, the run would not have come to it.` };
}

/** Shares what a move does not change. */
function copyOf(state: RunState, to: Plan): RunState {
  const scopes = new Map<string, Scope>();
  for (const [path, scope] of state.scopes) {
    scopes.set(path, { ...scope, parent: scope.parent && (scopes.get(scope.parent.path) ?? null) });
  }
  const steps = new Map([...state.steps].map(([key, step]) => [key, copyOfStep(step)] as const));
  const these = (from: ReadonlySet<StepState>): Set<StepState> =>
    new Set([...from].flatMap(({ scope, nodeId }) => steps.get(stepKey(scope, nodeId)) ?? []));
  return {
    ...state,
    plans: new Map([[TRIAL, to]]),
    steps,
    scopes,
    active: these(state.active),
    idle: these(state.idle),
    signals: new Map(state.signals),
    usedGrants: new Map(state.usedGrants),
  };
}

function copyOfStep(step: StepState): StepState {
  const { map, loop, team } = step;
  return {
    ...step,
    ...(map && { map: { ...map, results: [...map.results] } }),
    ...(loop && { loop: { ...loop } }),
    ...(team && { team: { ...team, turns: team.turns.map((turn) => ({ ...turn })) } }),
  };
}

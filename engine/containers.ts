/*
 * Scopes inside steps: the items of a map (at most `concurrency` at once, begun in order), the rounds of a loop (one after
 * another), the turns of a team (as its mode decides). When nothing is under way and more may come or all is over, the
 * container's own step becomes active again, so that the driver asks `evaluate` what is next.
 */
import type { Json } from "#contract/common.ts";
import type { StepError } from "#contract/journal.ts";
import { LIMITS } from "#contract/limits.ts";
import { stepError } from "./outcome.ts";
import { memberId } from "./plan.ts";
import { forgetScope } from "./forget.ts";
import { isStopping, stepKey, stepOf } from "./state.ts";
import { dropWaiting } from "./stopping.ts";
import type { Plan, PlanBody, RunState, Scope, StepState } from "./types.ts";

/** Begins as many items as fit, or hands the map over to be closed when none is left. */
export function openItems(state: RunState, step: StepState): void {
  const { map } = step;
  const body = state.plan.bodies.get(step.nodeId);
  const outer = state.scopes.get(step.scope);
  if (!map || !body || !outer || isStopping(state, outer)) return;
  const mayBegin = (): boolean => map.active < map.concurrency || map.next < (map.begun ?? 0);
  while (map.failure === undefined && !step.isUnwanted && mayBegin() && map.next < map.items.length) {
    const index = map.next;
    map.next += 1;
    map.active += 1;
    openScope(state, step, { outer, body, index, item: map.items[index] ?? null });
  }
  if (map.active === 0 && step.endedAt === undefined && step.status === "running") state.active.add(step);
}

export function openRound(state: RunState, step: StepState, index: number): void {
  const body = state.plan.bodies.get(step.nodeId);
  const outer = state.scopes.get(step.scope);
  step.loop ??= { rounds: 0, isOpen: false, last: null };
  if (!body || !outer || isStopping(state, outer)) return;
  step.loop.rounds = index + 1;
  step.loop.isOpen = true;
  openScope(state, step, { outer, body, index, item: step.loop.last });
}

/** Begins the turns that have been added to the team since the last time. */
export function openTurns(state: RunState, step: StepState, from: number): void {
  const { team } = step;
  const outer = state.scopes.get(step.scope);
  if (!team || !outer || isStopping(state, outer)) return;
  for (const [index, { member, input }] of [...team.turns.entries()].slice(from)) {
    const body = turnBody(state.plan, step.nodeId, member);
    if (!body) throw new Error(`The journal names the member ${member}, which the team ${step.nodeId} does not have.`);
    team.active += 1;
    openScope(state, step, { outer, body, index, item: input });
  }
}

/** What is in a turn: the member whose it is. */
export function turnBody(plan: Plan, teamId: string, member: string): PlanBody | undefined {
  const node = plan.nodes.get(memberId(teamId, member));
  return node && { nodes: [node], entries: [node], terminals: [node] };
}

type Opening = { outer: Scope; body: PlanBody; index: number; item: Json };
function openScope(state: RunState, container: StepState, { outer, body, index, item }: Opening): void {
  const path = `${container.scope}/${container.nodeId}[${index}]`;
  const scope: Scope = { path, body, containerId: container.nodeId, parent: outer, index, item, ended: 0, calls: 0, closed: false };
  state.scopes.set(path, scope);
  for (const node of body.entries) {
    const step = stepOf(state, path, node.id);
    step.status = "ready";
    state.active.add(step);
  }
  settleScope(state, scope);
}

/** Closes a scope whose work is over, which may begin the next one or end its container. The top is closed by the run's last event. */
export function settleScope(state: RunState, scope: Scope): void {
  if (scope.parent === null) return;
  if (!scope.closed) {
    const over = isStopping(state, scope) ? scope.calls === 0 : scope.ended === scope.body.nodes.length;
    if (!over) return;
    closeScope(state, scope, scope.parent);
  }
  // A call that ends in a scope that is given up may be the last one that the scopes around it wait for.
  if (isStopping(state, scope.parent)) settleScope(state, scope.parent);
}

function closeScope(state: RunState, scope: Scope, outer: Scope): void {
  const step = stepOf(state, outer.path, scope.containerId ?? "");
  const index = scope.index ?? 0;
  scope.closed = true;
  if (step.map) closeItem(state, step, { scope, index });
  else if (step.loop) closeRound(state, step, scope);
  else if (step.team) closeTurn(state, step, { scope, index });
  forgetScope(state, scope);
}

type Closed = { scope: Scope; index: number };

/** Keeps the item's result (or its error) and, if the map cannot go on without it, stops the other items. */
function closeItem(state: RunState, step: StepState, { scope, index }: Closed): void {
  const { map } = step;
  if (!map) return;
  map.active -= 1;
  map.done += 1;
  const result = scope.failure ? { error: { code: scope.failure.code, message: scope.failure.message } } : resultOf(state, scope);
  map.results[index] = result;
  map.size += JSON.stringify(result).length;
  const failure = map.failure ?? failureOf(map.onItemError, scope, index) ?? tooLarge(map.size);
  if (failure !== undefined && map.failure === undefined) {
    map.failure = failure;
    stopSiblings(state, step, failure);
  }
  openItems(state, step);
}

function failureOf(onItemError: "fail" | "continue", { failure }: Scope, index: number): StepError | undefined {
  if (!failure || onItemError === "continue") return undefined;
  const { nodeId: _node, scope: _scope, ...error } = failure;
  return { ...error, message: `Item ${index + 1}: ${error.message}` };
}

function tooLarge(size: number): StepError | undefined {
  if (size <= LIMITS.mapResultBytes) return undefined;
  const message = `Expected results of at most ${LIMITS.mapResultBytes} bytes together; they are larger.`;
  return stepError("step_output_too_large", message);
}

function stopSiblings(state: RunState, step: StepState, failure: StepError): void {
  for (const sibling of openScopesOf(state, step)) {
    sibling.failure ??= { ...failure, nodeId: step.nodeId, scope: step.scope };
    dropWaiting(state, sibling);
    settleScope(state, sibling);
  }
}

function closeRound(state: RunState, step: StepState, scope: Scope): void {
  const { loop } = step;
  if (!loop) return;
  loop.isOpen = false;
  if (scope.failure) {
    const { nodeId: _node, scope: _scope, ...error } = scope.failure;
    loop.failure = { ...error, message: `Round ${loop.rounds}: ${error.message}` };
  } else if (!isStopping(state, scope)) loop.last = resultOf(state, scope);
  if (step.status === "running") state.active.add(step);
}

function closeTurn(state: RunState, step: StepState, { scope, index }: Closed): void {
  const { team } = step;
  const turn = team?.turns[index];
  if (!team || !turn) return;
  team.active -= 1;
  if (scope.failure) turn.error = scope.failure;
  else turn.output = resultOf(state, scope);
  if (team.active === 0 && step.status === "running") state.active.add(step);
}

/** The scopes of a container that are under way, in the order in which they began. */
export function openScopesOf(state: RunState, { scope, nodeId, map, loop, team }: StepState): Scope[] {
  const open: Scope[] = [];
  const begun = map?.next ?? loop?.rounds ?? team?.turns.length ?? 0;
  for (let index = loop ? Math.max(0, begun - 1) : 0; index < begun; index += 1) {
    // Of a large map nearly all items have a result, and are over.
    if (map && index in map.results) continue;
    const inner = state.scopes.get(`${scope}/${nodeId}[${index}]`);
    if (inner && !inner.closed) open.push(inner);
  }
  return open;
}

/** The output of the scope's last step; of several last steps, an object by node id of those that have one. */
function resultOf(state: RunState, scope: Scope): Json {
  const outputs = scope.body.terminals.map((node) => [node.id, state.steps.get(stepKey(scope.path, node.id))?.output] as const);
  const [only] = outputs;
  if (outputs.length === 1 && only) return only[1] ?? null;
  const result: Record<string, Json> = {};
  for (const [id, output] of outputs) if (output !== undefined) result[id] = output;
  return result;
}

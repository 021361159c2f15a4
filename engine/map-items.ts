/*
 * The items of a map: at most `concurrency` scopes at once, begun in order. When the last has ended, or one has failed and
 * the map does not go on without it, the map's own step becomes active again so that the driver closes it.
 */
import type { Json } from "#contract/common.ts";
import { isStopping, stepKey, stepOf } from "./state.ts";
import type { RunState, Scope, StepState } from "./types.ts";

/** Begins as many items as fit, or hands the map over to be closed when none is left. */
export function openItems(state: RunState, mapStep: StepState, settle: (state: RunState, scope: Scope) => void): void {
  const { map } = mapStep;
  const body = state.plan.bodies.get(mapStep.nodeId);
  const outer = state.scopes.get(mapStep.scope);
  if (!map || !body || !outer || isStopping(state, outer)) return;
  while (map.failure === undefined && map.active < map.concurrency && map.next < map.items.length) {
    const index = map.next;
    map.next += 1;
    map.active += 1;
    const path = `${mapStep.scope}/${mapStep.nodeId}[${index}]`;
    const scope: Scope = {
      path,
      body,
      mapId: mapStep.nodeId,
      parent: outer,
      index,
      item: map.items[index] ?? null,
      ended: 0,
      calls: 0,
      closed: false,
    };
    state.scopes.set(path, scope);
    for (const node of body.entries) {
      const step = stepOf(state, path, node.id);
      step.status = "ready";
      state.active.add(step);
    }
    settle(state, scope);
  }
  if (map.active === 0 && mapStep.endedAt === undefined && mapStep.status === "running") state.active.add(mapStep);
}

/** Ends an item: keeps its result (or its error) and, if the map cannot go on without it, stops the other items. */
export function closeItem(state: RunState, scope: Scope, stop: (scope: Scope) => void): StepState {
  const mapStep = stepOf(state, scope.parent?.path ?? "", scope.mapId ?? "");
  const { map } = mapStep;
  if (!map || scope.index === undefined) throw new Error(`The item ${scope.path} belongs to no open map.`);
  scope.closed = true;
  map.active -= 1;
  map.done += 1;
  map.results[scope.index] = scope.failure
    ? { error: { code: scope.failure.code, message: scope.failure.message } }
    : resultOf(state, scope);
  if (scope.failure && map.onItemError === "fail" && map.failure === undefined) {
    const { nodeId: _node, scope: _scope, ...error } = scope.failure;
    map.failure = { ...error, message: `Item ${scope.index + 1}: ${error.message}` };
    for (const sibling of itemsUnderWay(state, mapStep)) {
      sibling.failure ??= scope.failure;
      stop(sibling);
    }
  }
  return mapStep;
}

/** Open items of this map, in order. */
function itemsUnderWay(state: RunState, mapStep: StepState): Scope[] {
  const open: Scope[] = [];
  for (let index = 0; index < (mapStep.map?.next ?? 0); index += 1) {
    const scope = state.scopes.get(`${mapStep.scope}/${mapStep.nodeId}[${index}]`);
    if (scope && !scope.closed) open.push(scope);
  }
  return open;
}

/** The output of the item's last step; of several last steps, an object by node id of those that have one. */
function resultOf(state: RunState, scope: Scope): Json {
  const outputs = scope.body.terminals.map((node) => [node.id, state.steps.get(stepKey(scope.path, node.id))?.output] as const);
  const [only] = outputs;
  if (outputs.length === 1 && only) return only[1] ?? null;
  const result: Record<string, Json> = {};
  for (const [id, output] of outputs) if (output !== undefined) result[id] = output;
  return result;
}

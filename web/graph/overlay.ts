import type { Definition } from "#contract/definition.ts";
import { isFinal, type RunStatus } from "#contract/runs.ts";
import type { RunState, StepState, StepStatus } from "#engine/types.ts";
import { iterationsOf } from "./scope.ts";

/** What the canvas shows on one node of a run. Inside a `map`, all items together unless one is chosen. */
export type Overlay = {
  status: StepStatus;
  startedAt?: string;
  endedAt?: string;
  attempt: number;
  /** Present where the node stands for several steps, or is a `map` itself. */
  items?: ItemCount;
};
export type ItemCount = { total: number; done: number; running: number; failed: number };

/** Worst first: what a group of steps is called when its members differ. */
const LOUDEST: readonly StepStatus[] = [
  "parked",
  "running",
  "waiting",
  "retrying",
  "failed",
  "ready",
  "cancelled",
  "pending",
  "succeeded",
  "skipped",
];
const DONE: ReadonlySet<StepStatus> = new Set(["succeeded", "failed", "skipped", "cancelled"]);

export type StepIndex = ReadonlyMap<string, readonly StepState[]>;

/** The steps of a run by node, in the order in which they became known. */
export function stepsByNode(state: Pick<RunState, "steps">): StepIndex {
  const index = new Map<string, StepState[]>();
  for (const step of state.steps.values()) {
    const list = index.get(step.nodeId);
    if (list) list.push(step);
    else index.set(step.nodeId, [step]);
  }
  return index;
}

/** Overlays by node id. `scope` is that of the chosen step: items on its path are shown alone. */
export function overlays(definition: Definition, index: StepIndex, scope: string): Map<string, Overlay> {
  const parents = new Map(definition.nodes.map((node) => [node.id, node.parentId]));
  const chosen = new Map(iterationsOf(scope).map(({ mapId }) => [mapId, scopeInside(scope, mapId)]));
  return new Map(
    definition.nodes.map((node) => {
      const parent = parents.get(node.id);
      const steps = index.get(node.id) ?? [];
      if (parent === undefined) return [node.id, single(steps[0])];
      const only = chosen.get(parent);
      return [node.id, only === undefined ? many(steps, itemTotal(index.get(parent) ?? [])) : single(steps.find((s) => s.scope === only))];
    }),
  );
}

/** The part of `scope` that ends with the iteration of `mapId`. */
function scopeInside(scope: string, mapId: string): string {
  const end = scope.indexOf("]", scope.indexOf(`/${mapId}[`));
  return scope.slice(0, end + 1);
}

function single(step: StepState | undefined): Overlay {
  if (!step) return { status: "pending", attempt: 0 };
  return {
    status: step.status,
    attempt: step.attempt,
    ...(step.startedAt === undefined ? {} : { startedAt: step.startedAt }),
    ...(step.endedAt === undefined ? {} : { endedAt: step.endedAt }),
    ...(step.map === undefined
      ? {}
      : { items: { total: step.map.items.length, done: step.map.done, running: step.map.active, failed: 0 } }),
  };
}

function many(steps: readonly StepState[], total: number): Overlay {
  const count = (status: StepStatus): number => steps.filter((step) => step.status === status).length;
  const done = steps.filter((step) => DONE.has(step.status)).length;
  const status = LOUDEST.find((candidate) => steps.some((step) => step.status === candidate)) ?? "pending";
  // All that have begun are done, but more are to come.
  const isBetween = done < total && (status === "succeeded" || status === "skipped");
  return {
    status: isBetween ? (done === 0 ? "pending" : "running") : status === "ready" && done > 0 ? "running" : status,
    attempt: 0,
    ...(total === 0
      ? {}
      : { items: { total: Math.max(total, steps.length), done, running: count("running") + count("retrying"), failed: count("failed") } }),
  };
}

const itemTotal = (maps: readonly StepState[]): number => maps.reduce((sum, map) => sum + (map.map?.items.length ?? 0), 0);

export type MapItem = { index: number; scope: string; status: StepStatus; steps: readonly StepState[] };

/** The items of one `map` step, each with the steps inside it. Items not begun are `pending`. */
export function itemsOf(map: StepState, index: StepIndex, definition: Definition): MapItem[] {
  const children = definition.nodes.filter((node) => node.parentId === map.nodeId).map((node) => node.id);
  const byScope = new Map<string, StepState[]>();
  for (const child of children) {
    for (const step of index.get(child) ?? []) {
      const list = byScope.get(step.scope);
      if (list) list.push(step);
      else byScope.set(step.scope, [step]);
    }
  }
  return (map.map?.items ?? []).map((_, position) => {
    const scope = `${map.scope}/${map.nodeId}[${position}]`;
    const steps = byScope.get(scope) ?? [];
    return { index: position, scope, status: statusOfItem(steps, children.length), steps };
  });
}

function statusOfItem(steps: readonly StepState[], size: number): StepStatus {
  const loudest = LOUDEST.find((status) => steps.some((step) => step.status === status)) ?? "pending";
  if (loudest === "failed" || loudest === "cancelled" || !DONE.has(loudest)) return loudest;
  return steps.length < size ? "running" : "succeeded";
}

/** The step to open first in an item: the one that failed or waits, else the last that was reached. */
export function firstStepOfItem(item: MapItem): StepState | undefined {
  const striking = item.steps.find((step) => step.status === "failed" || step.status === "parked" || step.status === "running");
  return striking ?? item.steps.findLast((step) => step.status === "succeeded") ?? item.steps.at(-1);
}

/** A step that has not ended when its run has will never go on. */
export function shownStatus(status: StepStatus, run: RunStatus): StepStatus {
  if (!isFinal(run) || DONE.has(status) || status === "pending") return status;
  return status === "ready" ? "pending" : "cancelled";
}

export const isInsideMap = (definition: Definition, nodeId: string): boolean =>
  definition.nodes.some((node) => node.id === nodeId && node.parentId !== undefined);

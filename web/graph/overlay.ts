import type { Json } from "#contract/common.ts";
import type { Definition, NodeType } from "#contract/definition.ts";
import { isFinal, type RunStatus } from "#contract/runs.ts";
import { memberId } from "#engine/index.ts";
import type { RunState, StepState, StepStatus } from "#engine/types.ts";
import { itemScope, iterationsOf } from "./scope.ts";

/** What the canvas shows on one node of a run. Inside a container, all its items together unless one is chosen. */
export type Overlay = {
  status: StepStatus;
  startedAt?: string;
  endedAt?: string;
  attempt: number;
  /** Present where the node stands for several steps, or is a container itself. */
  items?: ItemCount;
};
/** A `map` has items, a `loop` rounds, a `team` turns. */
export type ItemUnit = "item" | "round" | "turn";
export type ItemCount = { unit: ItemUnit; total: number; done: number; running: number; failed: number };

export const unitOf = (type: NodeType | undefined): ItemUnit => (type === "loop" ? "round" : type === "team" ? "turn" : "item");

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
  // A note is nothing that a run does.
  const steps = definition.nodes.filter(({ type }) => type !== "note");
  return new Map(
    steps.map((node) => {
      const around = containersOf(definition, node.id);
      const within = scopeWithin(scope, around);
      const reached = (index.get(node.id) ?? []).filter((step) => isWithin(step.scope, within));
      if (iterationsOf(within).length === around.length) return [node.id, single(reached.find((step) => step.scope === within))];
      const parents = (index.get(around.at(-1) ?? "") ?? []).filter((step) => isWithin(step.scope, within));
      return [node.id, many(reached, itemTotal(parents))];
    }),
  );
}

/** The containers around a node, the outermost first. */
export function containersOf({ nodes }: Pick<Definition, "nodes">, nodeId: string): string[] {
  const parentId = nodes.find((node) => node.id === nodeId)?.parentId;
  return parentId === undefined ? [] : [...containersOf({ nodes }, parentId), parentId];
}

/** The part of `scope` that a node inside `containers` has in common with it. */
export function scopeWithin(scope: string, containers: readonly string[]): string {
  let common = "";
  for (const [depth, { containerId, index }] of iterationsOf(scope).entries()) {
    if (containers[depth] !== containerId) break;
    common = itemScope(common, containerId, index);
  }
  return common;
}

const isWithin = (scope: string, outer: string): boolean => scope === outer || scope.startsWith(`${outer}/`);

function single(step: StepState | undefined): Overlay {
  if (!step) return { status: "pending", attempt: 0 };
  const items = countOf(step);
  return {
    status: step.status,
    attempt: step.attempt,
    ...(step.startedAt === undefined ? {} : { startedAt: step.startedAt }),
    ...(step.endedAt === undefined ? {} : { endedAt: step.endedAt }),
    ...(items === undefined ? {} : { items }),
  };
}

/** How far a container's step is; undefined for any other. */
export function countOf({ map, loop, team }: StepState): ItemCount | undefined {
  if (map) return { unit: "item", total: map.items.length, done: map.done, running: map.active, failed: 0 };
  if (loop) return { unit: "round", total: loop.rounds, done: loop.rounds - Number(loop.isOpen), running: Number(loop.isOpen), failed: 0 };
  if (team) return { unit: "turn", total: team.turns.length, done: team.turns.length - team.active, running: team.active, failed: 0 };
  return undefined;
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
      : {
          items: {
            unit: "item",
            total: Math.max(total, steps.length),
            done,
            running: count("running") + count("retrying"),
            failed: count("failed"),
          },
        }),
  };
}

const itemTotal = (containers: readonly StepState[]): number => containers.reduce((sum, step) => sum + (countOf(step)?.total ?? 0), 0);

/** One item of a `map`, round of a `loop` or turn of a `team`. */
export type ContainerItem = {
  index: number;
  scope: string;
  status: StepStatus;
  steps: readonly StepState[];
  /** The node to open where no step was reached. */
  firstNode: string;
  /** Of a map its item, of a team what the member was given. */
  value?: Json;
  /** Of a team: whose turn it is. */
  member?: string;
};

/** The items of one container's step, each with the steps inside it. Items not begun are `pending`. */
export function itemsOf(step: StepState, index: StepIndex, definition: Definition): ContainerItem[] {
  const undoing = new Set(definition.nodes.map(({ policy }) => policy?.compensate));
  const children = definition.nodes
    .filter(({ id, type, parentId }) => parentId === step.nodeId && type !== "note" && !undoing.has(id))
    .map((node) => node.id);
  const members = new Set(step.team?.turns.map(({ member }) => memberId(step.nodeId, member)));
  const byScope = new Map<string, StepState[]>();
  for (const child of [...children, ...members]) {
    for (const inner of index.get(child) ?? []) {
      const list = byScope.get(inner.scope);
      if (list) list.push(inner);
      else byScope.set(inner.scope, [inner]);
    }
  }
  const itemAt = (position: number): ContainerItem => {
    const scope = itemScope(step.scope, step.nodeId, position);
    const steps = byScope.get(scope) ?? [];
    const turn = step.team?.turns[position];
    const value = step.map?.items[position] ?? turn?.input;
    return {
      index: position,
      scope,
      status: statusOfItem(steps, turn ? 1 : children.length),
      steps,
      firstNode: turn ? memberId(step.nodeId, turn.member) : (children[0] ?? step.nodeId),
      ...(value === undefined ? {} : { value }),
      ...(turn ? { member: turn.member } : {}),
    };
  };
  return Array.from({ length: countOf(step)?.total ?? 0 }, (_, position) => itemAt(position));
}

function statusOfItem(steps: readonly StepState[], size: number): StepStatus {
  const loudest = LOUDEST.find((status) => steps.some((step) => step.status === status)) ?? "pending";
  if (loudest === "failed" || loudest === "cancelled" || !DONE.has(loudest)) return loudest;
  return steps.length < size ? "running" : "succeeded";
}

const isStriking = (status: StepStatus): boolean =>
  status === "failed" || status === "parked" || status === "running" || status === "waiting";

/** The step to open first in an item: the one that failed or waits, else the last that was reached. */
export function firstStepOfItem(item: ContainerItem): StepState | undefined {
  const striking = item.steps.find((step) => isStriking(step.status));
  return striking ?? item.steps.findLast((step) => step.status === "succeeded") ?? item.steps.at(-1);
}

/** A step that has not ended when its run has will never go on. */
export function shownStatus(status: StepStatus, run: RunStatus): StepStatus {
  if (!isFinal(run) || DONE.has(status) || status === "pending") return status;
  return status === "ready" ? "pending" : "cancelled";
}

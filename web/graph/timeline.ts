import type { WorkflowEdge } from "#contract/definition.ts";
import { historyKey, type Segment, type StepHistory } from "./attempts.ts";
import { enclosing, iterationsOf } from "./scope.ts";

/** One row of the waterfall: a step, or one item of a `map` (round of a `loop`, turn of a `team`) with its steps below it. Times are ms since the epoch. */
export type TimelineRow = {
  id: string;
  kind: "step" | "item";
  scope: string;
  nodeId: string;
  /** Of an item: its number. */
  index: number;
  level: number;
  /** When it could begin, when it really began, and when it ended (null while it is under way). */
  readyAt: number;
  from: number;
  to: number | null;
  segments: readonly Segment[];
  children: readonly TimelineRow[];
};

type Sources = { histories: ReadonlyMap<string, StepHistory>; edges: readonly WorkflowEdge[]; runStart: number };

/** The rows as a tree, each level in the order in which things began. */
export function buildTimeline({ histories, edges, runStart }: Sources): TimelineRow[] {
  const predecessors = groupBy(edges, (edge) => edge.target);
  const byScope = groupBy(histories.values(), (history) => history.scope);
  const scopesBelow = groupBy(
    [...byScope.keys()].flatMap((scope) => ancestors(scope)),
    ({ parent }) => parent,
  );

  const readyAt = (history: StepHistory): number => {
    const before = (predecessors.get(history.nodeId) ?? []).map((edge) => histories.get(historyKey(history.scope, edge.source)));
    const ends = before.filter((other) => other?.ended).map((other) => other?.lastAt ?? runStart);
    if (ends.length > 0) return Math.min(Math.max(...ends), history.firstAt);
    const map = enclosing(history.scope);
    const begun = map ? histories.get(historyKey(map.scope, map.nodeId))?.firstAt : undefined;
    return Math.min(begun ?? runStart, history.firstAt);
  };

  const stepRow = (history: StepHistory, level: number): TimelineRow => {
    const ready = readyAt(history);
    return {
      id: historyKey(history.scope, history.nodeId),
      kind: "step",
      scope: history.scope,
      nodeId: history.nodeId,
      index: -1,
      level,
      readyAt: ready,
      from: history.hasStart ? history.firstAt : ready,
      to: history.ended ? history.lastAt : null,
      segments: history.hasStart ? history.segments : stretched(history.segments, ready),
      children: itemRows(history, level + 1),
    };
  };
  const itemRows = (map: StepHistory, level: number): TimelineRow[] => {
    const scopes = new Map(scopesBelow.get(historyKey(map.scope, map.nodeId))?.map(({ scope, index }) => [scope, index]));
    return [...scopes].sort(([, a], [, b]) => a - b).map(([scope, index]) => itemRow({ scope, index, nodeId: map.nodeId, level }));
  };
  const itemRow = ({ scope, index, nodeId, level }: { scope: string; index: number; nodeId: string; level: number }): TimelineRow => {
    const children = rowsOf(scope, level + 1);
    const from = Math.min(...children.map((row) => row.from));
    return {
      id: scope,
      kind: "item",
      scope,
      nodeId,
      index,
      level,
      readyAt: from,
      from,
      to: children.every((row) => row.to !== null) ? Math.max(...children.map((row) => row.to ?? 0)) : null,
      segments: [],
      children,
    };
  };
  const rowsOf = (scope: string, level: number): TimelineRow[] =>
    (byScope.get(scope) ?? []).map((history) => stepRow(history, level)).sort((a, b) => a.from - b.from);
  return rowsOf("", 1);
}

/** Every enclosing item of a scope, with the key of the container's step it belongs to. */
function ancestors(scope: string): { parent: string; scope: string; index: number }[] {
  let outer = "";
  return iterationsOf(scope).map(({ containerId, index }) => {
    const parent = historyKey(outer, containerId);
    outer = `${outer}/${containerId}[${index}]`;
    return { parent, scope: outer, index };
  });
}

/** A step without a start in the journal worked from when it could begin. */
const stretched = (segments: readonly Segment[], from: number): Segment[] =>
  segments.map((segment, index) => (index === 0 && segment.kind === "executing" ? { ...segment, from } : segment));

function groupBy<T>(items: Iterable<T>, key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const list = groups.get(key(item));
    if (list) list.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

export type ShownRow = TimelineRow & { expanded: boolean; position: number; size: number; parentId: string | null };

/** The rows that are visible when the rows in `open` are expanded. */
export function visibleRows(tree: readonly TimelineRow[], open: ReadonlySet<string>): ShownRow[] {
  const rows: ShownRow[] = [];
  const visit = (siblings: readonly TimelineRow[], parentId: string | null): void => {
    for (const [index, row] of siblings.entries()) {
      const expanded = row.children.length > 0 && open.has(row.id);
      rows.push({ ...row, expanded, position: index + 1, size: siblings.length, parentId });
      if (expanded) visit(row.children, row.id);
    }
  };
  visit(tree, null);
  return rows;
}

/** The ids of all rows that can be expanded. */
export const expandable = (tree: readonly TimelineRow[]): string[] =>
  tree.flatMap((row) => (row.children.length > 0 ? [row.id, ...expandable(row.children)] : []));

/** The rows to expand so that the step is visible. */
export function pathTo(scope: string): string[] {
  return ancestors(scope).flatMap(({ parent, scope: item }) => [parent, item]);
}

/** Which part of the run is shown, as shares of the whole. */
export type TimeWindow = { from: number; to: number };
export const WHOLE: TimeWindow = { from: 0, to: 1 };

/** Zooms around the middle of the window; never below a thousandth of the run, never beyond the whole. */
export function zoom({ from, to }: TimeWindow, factor: number): TimeWindow {
  const size = Math.min(1, Math.max(0.001, (to - from) / factor));
  const middle = (from + to) / 2;
  const start = Math.min(1 - size, Math.max(0, middle - size / 2));
  return { from: start, to: start + size };
}

/** Moves the window by a share of its own size. */
export function pan({ from, to }: TimeWindow, share: number): TimeWindow {
  const size = to - from;
  const start = Math.min(1 - size, Math.max(0, from + size * share));
  return { from: start, to: start + size };
}

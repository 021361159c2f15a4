import type { Definition, NodeType, WorkflowEdge, WorkflowNode } from "#contract/definition.ts";

/** Nodes that hold others: their steps are repeated in scopes of their own. */
export const holdsNodes = (type: NodeType): boolean => type === "map" || type === "loop";

/** Sizes in pixels; the node component is drawn to fit them. */
export const NODE_SIZE = { width: 220, height: 62 } as const;
export const SMALL_NODE_SIZE = { width: 132, height: 48 } as const;
/** Room that a run's status line takes below the two lines of a node. */
export const STATUS_HEIGHT = 24;
export const MAP_PADDING = { top: 60, right: 18, bottom: 18, left: 18 } as const;

export type Point = { x: number; y: number };
export type Box = Point & { width: number; height: number };
/** Boxes by node id; those of children are relative to their container. */
export type Boxes = ReadonlyMap<string, Box>;
/** The way of an edge, from its source's border to its target's, and where its label is centred. */
export type Route = { points: readonly Point[]; label?: Point };
/** Where everything is drawn. Edges without a route (by edge id) are drawn as curves. */
export type Drawing = { boxes: Boxes; routes: ReadonlyMap<string, Route> };

export const isSmall = (node: Pick<WorkflowNode, "type">): boolean => node.type === "start" || node.type === "end";

/** Where little room is, as on a phone, nodes are narrower and can be drawn larger. */
const COMPACT_WIDTH = 172;

export function sizeOf(node: Pick<WorkflowNode, "type">, withStatus: boolean, isCompact = false): { width: number; height: number } {
  const size = isSmall(node) ? SMALL_NODE_SIZE : NODE_SIZE;
  return {
    width: isCompact ? Math.min(size.width, COMPACT_WIDTH) : size.width,
    height: size.height + (withStatus && !isSmall(node) ? STATUS_HEIGHT : 0),
  };
}

/**
 * Boxes from the positions in the definition, or undefined when they cannot be used: one is missing, or two nodes would lie
 * on each other, as happens when a definition was drawn for smaller nodes.
 */
export function boxesFromPositions(definition: Definition, withStatus: boolean): Boxes | undefined {
  const boxes = new Map<string, Box>();
  for (const node of definition.nodes) {
    if (!node.position) return undefined;
    boxes.set(node.id, { ...node.position, ...sizeOf(node, withStatus) });
  }
  for (const container of containersInnermostFirst(definition)) {
    const children = definition.nodes.filter((node) => node.parentId === container.id).flatMap((node) => boxes.get(node.id) ?? []);
    const box = boxes.get(container.id);
    if (!box || children.length === 0) continue;
    box.width = Math.max(NODE_SIZE.width, ...children.map((child) => child.x + child.width + MAP_PADDING.right));
    box.height = Math.max(...children.map((child) => child.y + child.height + MAP_PADDING.bottom));
    if (children.some((child) => child.x < 0 || child.y < MAP_PADDING.top - 12)) return undefined;
  }
  return anyOverlap(definition, boxes) ? undefined : boxes;
}

function containersInnermostFirst({ nodes }: Definition): WorkflowNode[] {
  const depth = (node: WorkflowNode): number => {
    const parent = nodes.find((candidate) => candidate.id === node.parentId);
    return parent ? depth(parent) + 1 : 0;
  };
  return nodes.filter((node) => holdsNodes(node.type)).sort((a, b) => depth(b) - depth(a));
}

function anyOverlap({ nodes }: Definition, boxes: Boxes): boolean {
  const gap = 8;
  return nodes.some((a, index) =>
    nodes.slice(index + 1).some((b) => {
      if (a.parentId !== b.parentId) return false;
      const one = boxes.get(a.id);
      const two = boxes.get(b.id);
      if (!one || !two) return false;
      const apart =
        one.x + one.width + gap <= two.x ||
        two.x + two.width + gap <= one.x ||
        one.y + one.height + gap <= two.y ||
        two.y + two.height + gap <= one.y;
      return !apart;
    }),
  );
}

/** A plain arrangement in one row, for when nothing better can be computed. */
export function boxesInARow(definition: Definition, withStatus: boolean): Boxes {
  const boxes = new Map<string, Box>();
  const place = (parentId: string | undefined, origin: { x: number; y: number }): { width: number; height: number } => {
    let x = origin.x;
    let height = 0;
    for (const node of definition.nodes.filter((candidate) => candidate.parentId === parentId)) {
      const inner = holdsNodes(node.type) ? place(node.id, { x: MAP_PADDING.left, y: MAP_PADDING.top }) : undefined;
      const own = sizeOf(node, withStatus);
      const size = inner
        ? { width: Math.max(own.width, inner.width + MAP_PADDING.right), height: Math.max(own.height, inner.height + MAP_PADDING.bottom) }
        : own;
      boxes.set(node.id, { x, y: origin.y, ...size });
      x += size.width + 48;
      height = Math.max(height, origin.y + size.height);
    }
    return { width: x - 48, height };
  };
  place(undefined, { x: 0, y: 0 });
  return boxes;
}

/** Parents come before their children, as the canvas needs them. */
export function parentsFirst({ nodes }: Definition): WorkflowNode[] {
  const sorted: WorkflowNode[] = [];
  const visit = (parentId: string | undefined): void => {
    for (const node of nodes.filter((candidate) => candidate.parentId === parentId)) {
      sorted.push(node);
      if (holdsNodes(node.type)) visit(node.id);
    }
  };
  visit(undefined);
  return sorted;
}

export type EdgeFlow = "idle" | "taken" | "active" | "not_taken";

/** Whether a run went along an edge. `handleOf` gives the handle by which a step went on, `hasBegun` whether a step was reached. */
export function edgeFlow(
  edge: WorkflowEdge,
  handleOf: (nodeId: string) => string | undefined,
  stateOf: (nodeId: string) => "idle" | "active" | "done" | "skipped",
): EdgeFlow {
  const handle = handleOf(edge.source);
  if (handle === undefined) return "idle";
  if (handle !== (edge.sourceHandle ?? "success")) return "not_taken";
  const target = stateOf(edge.target);
  if (target === "active") return "active";
  return target === "done" ? "taken" : "idle";
}

/** The frame around the whole drawing. */
export function boundsOf({ nodes }: Definition, boxes: Boxes): Box {
  const all = nodes.filter((node) => node.parentId === undefined).flatMap((node) => boxes.get(node.id) ?? []);
  if (all.length === 0) return { x: 0, y: 0, width: 1, height: 1 };
  const x = Math.min(...all.map((box) => box.x));
  const y = Math.min(...all.map((box) => box.y));
  return {
    x,
    y,
    width: Math.max(...all.map((box) => box.x + box.width)) - x,
    height: Math.max(...all.map((box) => box.y + box.height)) - y,
  };
}

/** The nodes of one level so that each comes after what leads to it. */
export function inFlowOrder({ nodes, edges }: Definition, parentId: string | undefined): WorkflowNode[] {
  const level = nodes.filter((node) => node.parentId === parentId);
  const waitsFor = new Map(
    level.map((node) => [
      node.id,
      edges.filter((edge) => edge.target === node.id && level.some((other) => other.id === edge.source)).length,
    ]),
  );
  const sorted: WorkflowNode[] = [];
  const ready = level.filter((node) => waitsFor.get(node.id) === 0);
  for (let node = ready.shift(); node; node = ready.shift()) {
    sorted.push(node);
    for (const edge of edges) {
      if (edge.source !== node.id) continue;
      const left = (waitsFor.get(edge.target) ?? 0) - 1;
      waitsFor.set(edge.target, left);
      const target = level.find((candidate) => candidate.id === edge.target);
      if (left === 0 && target) ready.push(target);
    }
  }
  return sorted;
}

/** How wide the drawing would be from left to right: the longest way through the workflow, before anything is arranged. */
export function widthSideways(definition: Definition, gap: number): number {
  const widthOfLevel = (parentId: string | undefined): number => {
    const ends = new Map<string, number>();
    for (const node of inFlowOrder(definition, parentId)) {
      const inner = holdsNodes(node.type) ? widthOfLevel(node.id) : 0;
      const width = Math.max(sizeOf(node, false).width, inner === 0 ? 0 : inner + MAP_PADDING.left + MAP_PADDING.right);
      const before = definition.edges.filter((edge) => edge.target === node.id).map((edge) => ends.get(edge.source) ?? 0);
      const start = Math.max(0, ...before);
      ends.set(node.id, (start === 0 ? 0 : start + gap) + width);
    }
    return Math.max(0, ...ends.values());
  };
  return widthOfLevel(undefined);
}

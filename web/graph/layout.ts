import type { ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api.js";
import type { Definition, WorkflowEdge } from "#contract/definition.ts";
import { MAP_PADDING, holdsNodes, sizeOf, type Box, type Drawing, type Point, type Route } from "./to-flow.ts";

/** Sideways where that can be read, else downwards. */
export type Direction = "RIGHT" | "DOWN";
export type LayoutOptions = { direction: Direction; withStatus: boolean; isCompact?: boolean };

const paddingOf = (isCompact: boolean): string => {
  const { top, right, bottom, left } = isCompact ? { ...MAP_PADDING, left: 10, right: 10 } : MAP_PADDING;
  return `[top=${top},left=${left},bottom=${bottom},right=${right}]`;
};
/** Between one layer of nodes and the next. */
export const LAYER_GAP = { RIGHT: 56, DOWN: 40 } as const;

/**
 * Nodes keep the order in which they were written. The engine cannot do that and lay out nested graphs as one, which edges
 * across a `map`'s border need.
 */
const optionsOf = ({ direction, isCompact = false }: LayoutOptions, isCrossed: boolean): Record<string, string> => ({
  "elk.algorithm": "layered",
  "elk.direction": direction,
  ...(isCrossed ? { "elk.hierarchyHandling": "INCLUDE_CHILDREN" } : { "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES" }),
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.layered.mergeEdges": "true",
  "elk.layered.spacing.nodeNodeBetweenLayers": String(LAYER_GAP[direction]),
  "elk.spacing.nodeNode": isCompact ? "14" : "28",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
});

/** The definition as the layout engine wants it: nested nodes with sizes, edges with the room of their labels. */
export function toElk(definition: Definition, given: LayoutOptions): ElkNode {
  const { withStatus, isCompact = false } = given;
  const parents = new Map(definition.nodes.map((node) => [node.id, node.parentId]));
  const isCrossed = definition.edges.some((edge) => parents.get(edge.source) !== parents.get(edge.target));
  const options = optionsOf(given, isCrossed);
  const childrenOf = (parentId: string | undefined): ElkNode[] =>
    definition.nodes
      .filter((node) => node.parentId === parentId)
      .map((node) => {
        const size = sizeOf(node, withStatus, isCompact);
        if (!holdsNodes(node.type)) return { id: node.id, ...size };
        const children = childrenOf(node.id);
        // A container without children has no size of its own.
        if (children.length === 0) return { id: node.id, ...size };
        const minimum = `(${size.width},${size.height})`;
        return {
          id: node.id,
          children,
          layoutOptions: { ...options, "elk.padding": paddingOf(isCompact), "elk.nodeSize.minimum": minimum },
        };
      });
  return {
    id: ROOT,
    layoutOptions: options,
    children: childrenOf(undefined),
    edges: definition.edges.map(toElkEdge),
  };
}

/** No node can be called that. */
const ROOT = "the workflow";

function toElkEdge({ id, source, target, sourceHandle = "success" }: WorkflowEdge): ElkExtendedEdge {
  const label = { text: sourceHandle, width: 16 + 7 * sourceHandle.length, height: 20, layoutOptions: { "elk.edgeLabels.inline": "true" } };
  return { id, sources: [source], targets: [target], ...(sourceHandle === "success" ? {} : { labels: [label] }) };
}

export function fromElk(graph: ElkNode): Drawing {
  const boxes = new Map<string, Box>();
  const origins = new Map<string, Point>([[ROOT, { x: 0, y: 0 }]]);
  const edges: ElkExtendedEdge[] = [...(graph.edges ?? [])];
  const visit = (nodes: readonly ElkNode[], origin: Point): void => {
    for (const node of nodes) {
      const { id, x = 0, y = 0, width = 0, height = 0, children = [] } = node;
      const own = { x: origin.x + x, y: origin.y + y };
      boxes.set(id, { x, y, width, height });
      origins.set(id, own);
      edges.push(...(node.edges ?? []));
      visit(children, own);
    }
  };
  visit(graph.children ?? [], { x: 0, y: 0 });
  return { boxes, routes: new Map(edges.flatMap((edge) => routeOf(edge, origins.get(containerOf(edge))))) };
}

const containerOf = (edge: ElkExtendedEdge): string => ("container" in edge && typeof edge.container === "string" ? edge.container : ROOT);

/** Points come relative to the node that contains the edge. */
function routeOf({ id, sections = [], labels = [] }: ElkExtendedEdge, origin: Point = { x: 0, y: 0 }): [string, Route][] {
  const [section] = sections;
  if (!section) return [];
  const move = ({ x, y }: Point): Point => ({ x: origin.x + x, y: origin.y + y });
  const points = [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(move);
  const [label] = labels;
  const middle = label && move({ x: (label.x ?? 0) + (label.width ?? 0) / 2, y: (label.y ?? 0) + (label.height ?? 0) / 2 });
  return [[id, { points, ...(middle ? { label: middle } : {}) }]];
}

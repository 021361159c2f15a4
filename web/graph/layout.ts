import type { ElkNode } from "elkjs/lib/elk-api.js";
import type { Definition } from "#contract/definition.ts";
import { MAP_PADDING, sizeOf, type Box, type Boxes } from "./to-flow.ts";

/** Sideways on a wide screen, downwards on a narrow one. */
export type Direction = "RIGHT" | "DOWN";

const padding = `[top=${MAP_PADDING.top},left=${MAP_PADDING.left},bottom=${MAP_PADDING.bottom},right=${MAP_PADDING.right}]`;

const options = (direction: Direction): Record<string, string> => ({
  "elk.algorithm": "layered",
  "elk.direction": direction,
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.layered.spacing.nodeNodeBetweenLayers": direction === "RIGHT" ? "56" : "44",
  "elk.spacing.nodeNode": "28",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
});

/** The definition as the layout engine wants it: nested nodes with sizes. */
export function toElk(definition: Definition, { direction, withStatus }: { direction: Direction; withStatus: boolean }): ElkNode {
  const childrenOf = (parentId: string | undefined): ElkNode[] =>
    definition.nodes
      .filter((node) => node.parentId === parentId)
      .map((node) => {
        const size = sizeOf(node, withStatus);
        if (node.type !== "map") return { id: node.id, ...size };
        const children = childrenOf(node.id);
        // A container without children has no size of its own.
        if (children.length === 0) return { id: node.id, ...size };
        return {
          id: node.id,
          children,
          layoutOptions: { ...options(direction), "elk.padding": padding, "elk.nodeSize.minimum": `(${size.width},${size.height})` },
        };
      });
  return {
    id: "workflow",
    layoutOptions: options(direction),
    children: childrenOf(undefined),
    edges: definition.edges.map((edge) => ({ id: edge.id, sources: [edge.source], targets: [edge.target] })),
  };
}

export function fromElk(graph: ElkNode): Boxes {
  const boxes = new Map<string, Box>();
  const visit = (nodes: readonly ElkNode[]): void => {
    for (const { id, x = 0, y = 0, width = 0, height = 0, children = [] } of nodes) {
      boxes.set(id, { x, y, width, height });
      visit(children);
    }
  };
  visit(graph.children ?? []);
  return boxes;
}

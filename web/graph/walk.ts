import type { Definition } from "#contract/definition.ts";
import type { Box, Boxes } from "./to-flow.ts";

export type Arrow = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown";

/**
 * The node that an arrow key leads to from `from`: along the flow of the drawing it follows the edges (into a `map`, too),
 * across it goes to the nearest neighbour. Undefined when there is nothing that way.
 */
export function walk(from: string, arrow: Arrow, { definition, boxes }: { definition: Definition; boxes: Boxes }): string | undefined {
  const linked = new Set(neighbours(from, definition));
  const centre = anchorOf(from, definition, boxes);
  if (!centre) return undefined;
  const candidates = definition.nodes
    .filter((node) => node.id !== from)
    .flatMap((node) => {
      const other = anchorOf(node.id, definition, boxes);
      if (!other) return [];
      const distance = distanceAlong(arrow, { x: other.x - centre.x, y: other.y - centre.y });
      return distance === undefined ? [] : [{ id: node.id, cost: linked.has(node.id) ? distance / 4 : distance }];
    });
  return candidates.sort((a, b) => a.cost - b.cost)[0]?.id;
}

function neighbours(id: string, { nodes, edges }: Definition): string[] {
  const along = edges
    .filter((edge) => edge.source === id || edge.target === id)
    .map((edge) => (edge.source === id ? edge.target : edge.source));
  const inside = nodes.filter((node) => node.parentId === id || nodes.find((other) => other.id === id)?.parentId === node.id);
  return [...along, ...inside.map((node) => node.id)];
}

/** How far away a point is in the arrow's direction; undefined when it lies the other way. Sideways distance counts double. */
function distanceAlong(arrow: Arrow, { x, y }: { x: number; y: number }): number | undefined {
  const isSideways = arrow === "ArrowRight" || arrow === "ArrowLeft";
  const forward = arrow === "ArrowRight" || arrow === "ArrowDown" ? 1 : -1;
  const ahead = forward * (isSideways ? x : y);
  const aside = isSideways ? y : x;
  return ahead > 1 ? ahead + 2 * Math.abs(aside) : undefined;
}

export function absoluteBox(id: string, definition: Definition, boxes: Boxes): Box | undefined {
  const box = boxes.get(id);
  const parentId = definition.nodes.find((node) => node.id === id)?.parentId;
  if (!box || parentId === undefined) return box;
  const parent = absoluteBox(parentId, definition, boxes);
  return parent && { ...box, x: box.x + parent.x, y: box.y + parent.y };
}

/** Where a node is for walking: its middle, of a `map` the beginning of its head. */
function anchorOf(id: string, definition: Definition, boxes: Boxes): { x: number; y: number } | undefined {
  const box = absoluteBox(id, definition, boxes);
  if (!box) return undefined;
  const isMap = definition.nodes.some((node) => node.parentId === id);
  return isMap ? { x: box.x + HEAD.x, y: box.y + HEAD.y } : { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

const HEAD = { x: 90, y: 24 } as const;

const ARROWS: readonly Arrow[] = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
export const isArrow = (key: string): key is Arrow => ARROWS.some((arrow) => arrow === key);

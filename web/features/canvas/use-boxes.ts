import { useQuery } from "@tanstack/react-query";
import type { Definition } from "#contract/definition.ts";
import type { Direction } from "../../graph/layout.ts";
import { boundsOf, boxesFromPositions, boxesInARow, type Boxes } from "../../graph/to-flow.ts";
import { READABLE_ZOOM } from "../../graph/view.ts";
import { arrange } from "./elk.ts";

export type Arrangement = { boxes: Boxes; direction: Direction };
type Room = { width: number; withStatus: boolean; isPhone: boolean };

/**
 * Where the nodes stand: where the definition says, or arranged from left to right if that can be read in the room there
 * is, else from top to bottom. Undefined while they are being arranged.
 */
export function useBoxes(
  definition: Definition,
  { width, withStatus, isPhone }: Room,
): { arrangement: Arrangement | undefined; failed: boolean } {
  const sideways = useQuery({
    queryKey: ["layout", "RIGHT", withStatus, shapeOf(definition)],
    queryFn: () => boxesFromPositions(definition, withStatus) ?? arrange(definition, { direction: "RIGHT", withStatus }),
    enabled: !isPhone,
    ...ONCE,
  });
  const isDrawn = definition.nodes.every((node) => node.position !== undefined);
  const tooWide = sideways.data !== undefined && width > 0 && !isDrawn && boundsOf(definition, sideways.data).width * READABLE_ZOOM > width;
  const downwards = useQuery({
    queryKey: ["layout", "DOWN", withStatus, shapeOf(definition)],
    queryFn: () => arrange(definition, { direction: "DOWN", withStatus }),
    enabled: isPhone || tooWide,
    ...ONCE,
  });
  const failed = sideways.isError || downwards.isError;
  if (failed) return { arrangement: { boxes: boxesInARow(definition, withStatus), direction: "RIGHT" }, failed };
  if (isPhone || tooWide) return { arrangement: downwards.data && { boxes: downwards.data, direction: "DOWN" }, failed };
  return { arrangement: width > 0 && sideways.data ? { boxes: sideways.data, direction: "RIGHT" } : undefined, failed };
}

const ONCE = { staleTime: Number.POSITIVE_INFINITY, retry: false, networkMode: "always" } as const;

/** What the arrangement depends on, and nothing else: equal graphs share one. */
const shapeOf = ({ nodes, edges }: Definition): string =>
  JSON.stringify([
    nodes.map(({ id, type, parentId, position }) => [id, type, parentId, position]),
    edges.map(({ source, target }) => [source, target]),
  ]);

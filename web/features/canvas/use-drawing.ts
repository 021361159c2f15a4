import { useQuery } from "@tanstack/react-query";
import type { Definition } from "#contract/definition.ts";
import { keys } from "../../api/keys.ts";
import { LAYER_GAP, type Direction } from "../../graph/layout.ts";
import { boxesFromPositions, boxesInARow, widthSideways, type Drawing } from "../../graph/to-flow.ts";
import { READABLE_ZOOM } from "../../graph/view.ts";
import { arrange } from "./elk.ts";

type Room = { width: number; withStatus: boolean; isPhone: boolean };
export type Drawn = Drawing & { direction: Direction };

/**
 * Where the nodes stand and the edges run: as the definition says, or arranged from left to right if that can be read in
 * the room there is, else from top to bottom. Undefined while it is being arranged.
 */
export function useDrawing(definition: Definition, { width, withStatus, isPhone }: Room): { drawn: Drawn | undefined; failed: boolean } {
  const direction = isPhone || (width > 0 && isTooWide(definition, width)) ? "DOWN" : "RIGHT";
  const { data, isError } = useQuery({
    queryKey: keys.drawing(direction, withStatus, isPhone, shapeOf(definition)),
    queryFn: () => drawingOf(definition, { direction, withStatus, isPhone }),
    enabled: width > 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    networkMode: "always",
  });
  if (isError) return { drawn: { boxes: boxesInARow(definition, withStatus), routes: new Map(), direction: "RIGHT" }, failed: true };
  return { drawn: data && { ...data, direction }, failed: false };
}

/** Who drew the workflow by hand meant it to be seen like that, if only the window is wide enough. */
const isTooWide = (definition: Definition, width: number): boolean =>
  !definition.nodes.every((node) => node.position !== undefined) && widthSideways(definition, LAYER_GAP.RIGHT) * READABLE_ZOOM > width;

type Options = { direction: Direction; withStatus: boolean; isPhone: boolean };

async function drawingOf(definition: Definition, { direction, withStatus, isPhone }: Options): Promise<Drawing> {
  const boxes = isPhone || direction === "DOWN" ? undefined : boxesFromPositions(definition, withStatus);
  return boxes ? { boxes, routes: new Map() } : arrange(definition, { direction, withStatus, isCompact: isPhone });
}

/** What the drawing depends on, and nothing else: equal graphs share one. */
const shapeOf = ({ nodes, edges }: Definition): string =>
  JSON.stringify([
    nodes.map(({ id, type, parentId, position }) => [id, type, parentId, position]),
    edges.map(({ source, target, sourceHandle }) => [source, target, sourceHandle]),
  ]);

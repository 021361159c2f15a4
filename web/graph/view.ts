import type { Direction } from "./layout.ts";

/** Below this zoom the words on nodes cannot be read. */
export const READABLE_ZOOM = 0.8;
/** On a phone: words can just be made out, and the rest is a swipe away. */
const LEAST_ZOOM = 0.5;
const MARGIN = 28;

type Size = { width: number; height: number };

/**
 * The first view of a graph: all of it where that can be read, else its beginning at a readable zoom, so that one scrolls
 * in the direction of the flow.
 */
export function firstView(graph: Size, room: Size, direction: Direction): { x: number; y: number; zoom: number } {
  const across = (room.width - 2 * MARGIN) / graph.width;
  const along = (room.height - 2 * MARGIN) / graph.height;
  const whole = Math.min(1, across, along);
  const zoom = whole >= READABLE_ZOOM ? whole : Math.min(1, Math.max(READABLE_ZOOM, direction === "RIGHT" ? along : across));
  const fitted = direction === "DOWN" ? Math.min(zoom, Math.max(LEAST_ZOOM, across)) : zoom;
  const centred = { x: (room.width - graph.width * fitted) / 2, y: (room.height - graph.height * fitted) / 2 };
  if (whole >= READABLE_ZOOM) return { ...centred, zoom: fitted };
  return direction === "RIGHT"
    ? { x: Math.max(MARGIN, centred.x), y: centred.y, zoom: fitted }
    : { x: centred.x, y: Math.max(MARGIN, centred.y), zoom: fitted };
}

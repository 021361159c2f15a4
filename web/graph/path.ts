import type { Point } from "./to-flow.ts";

/** An SVG path along the points, its corners rounded as far as the stretches beside them allow. */
export function roundedPath(points: readonly Point[], radius: number): string {
  const [first, ...rest] = points;
  if (!first) return "";
  const parts = [`M ${first.x} ${first.y}`];
  for (const [index, point] of rest.entries()) {
    const before = points[index];
    const after = rest[index + 1];
    if (!before || !after) {
      parts.push(`L ${point.x} ${point.y}`);
      continue;
    }
    const into = towards(point, before, radius);
    const out = towards(point, after, radius);
    parts.push(`L ${into.x} ${into.y}`, `Q ${point.x} ${point.y} ${out.x} ${out.y}`);
  }
  return parts.join(" ");
}

/** The point `distance` away from `from` on the way to `to`, at most half of the way. */
function towards(from: Point, to: Point, distance: number): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const share = length === 0 ? 0 : Math.min(distance / length, 0.5);
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

import type { TimeWindow } from "../../graph/timeline.ts";

/** The run in time (ms since the epoch) and the part of it that is shown. */
export type TimelineSpan = { start: number; end: number; window: TimeWindow };

/** Where a moment lies in the shown part: 0 at its left edge, 1 at its right. */
export function shareOf({ start, end, window }: TimelineSpan, at: number): number {
  return ((at - start) / (end - start) - window.from) / (window.to - window.from);
}

/** The moment at a share of the shown part, as time since the start of the run. */
export function offsetAt({ start, end, window }: TimelineSpan, share: number): number {
  return (end - start) * (window.from + share * (window.to - window.from));
}

/** A bar in per cent of the shown part, cut at its edges; undefined when it lies outside. */
export function barOf(span: TimelineSpan, from: number, to: number): { left: number; width: number } | undefined {
  const left = shareOf(span, from);
  const right = shareOf(span, to);
  if (right < 0 || left > 1) return undefined;
  const cutLeft = Math.max(0, left);
  return { left: 100 * cutLeft, width: 100 * (Math.min(1, right) - cutLeft) };
}

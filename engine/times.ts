import type { Json } from "#contract/common.ts";

/** A number of ms from `now`, or an ISO 8601 date and time, as ms since the epoch. Undefined when it is neither. */
export function timeOf(value: Json | undefined, now: number): number | undefined {
  if (typeof value === "number")
    return Number.isFinite(value) && Math.abs(value) <= MAX_MS ? Math.round(now + Math.max(0, value)) : undefined;
  if (typeof value !== "string" || !ISO.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}

/** With a zone: a time without one would mean something else on each machine. */
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;
const MAX_MS = 100 * 366 * 24 * 60 * 60 * 1000;

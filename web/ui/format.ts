/** How values are written. Pure: the language and "now" are arguments. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `0 ms`, `412 ms`, `4.2 s`, `1 m 04 s`, `2 h 05 m`, `3 d 04 h`: always two parts at most, so that columns stay narrow. */
export function formatDuration(ms: number): string {
  const value = Math.max(0, ms);
  if (value < 1) return value === 0 ? "0 ms" : "< 1 ms";
  if (value < SECOND) return `${Math.round(value)} ms`;
  if (value < 10 * SECOND) return `${(Math.floor(value / 100) / 10).toFixed(1)} s`;
  if (value < MINUTE) return `${Math.floor(value / SECOND)} s`;
  if (value < HOUR) return pair([value, MINUTE, "m"], [SECOND, "s"]);
  if (value < DAY) return pair([value, HOUR, "h"], [MINUTE, "m"]);
  return pair([value, DAY, "d"], [HOUR, "h"]);
}

function pair([value, big, bigName]: [number, number, string], [small, smallName]: [number, string]): string {
  const rest = Math.floor((value % big) / small);
  return `${Math.floor(value / big)} ${bigName} ${String(rest).padStart(2, "0")} ${smallName}`;
}

/** `980 B`, `4.1 kB`, `2.0 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** `just now`, `3 minutes ago`, `in 2 hours`, and a date beyond a week. */
export function formatRelative(at: number, now: number, language = "en"): string {
  const distance = at - now;
  const size = Math.abs(distance);
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (size < 10 * SECOND) return relative.format(0, "second");
  if (size < MINUTE) return relative.format(Math.round(distance / SECOND), "second");
  if (size < HOUR) return relative.format(Math.round(distance / MINUTE), "minute");
  if (size < DAY) return relative.format(Math.round(distance / HOUR), "hour");
  if (size < 7 * DAY) return relative.format(Math.round(distance / DAY), "day");
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(at);
}

/** Date and time to the second, for tooltips. */
export const formatMoment = (at: number, language = "en"): string =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(at);

/** Time of day to the millisecond, for logs and events. */
export function formatClock(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The end of a UUID: the beginning of a UUIDv7 is its time, equal for what started together. */
export const shortId = (id: string): string => id.slice(-8);

export const formatPercent = (share: number): string => `${share > 0 && share < 0.01 ? "< 1" : Math.round(share * 100)} %`;

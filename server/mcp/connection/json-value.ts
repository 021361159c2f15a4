import type { Json } from "#contract/common.ts";
import { parseJson } from "#contract/parse-json.ts";

/** Deeper messages are refused: `JSON.parse` accepts what `JSON.stringify` later overflows the stack on. */
export const MESSAGE_DEPTH = 128;

/** Whether a value is JSON of at most `depth` levels. Walks it once and copies nothing: it is on the path of every call. */
export function isJson(value: unknown, depth = MESSAGE_DEPTH): value is Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      return value === null || isContainer(value, depth);
    default:
      return false;
  }
}

function isContainer(value: object, depth: number): boolean {
  if (depth === 0) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isJson(item, depth - 1)) return false;
    return true;
  }
  for (const item of Object.values(value)) if (!isJson(item, depth - 1)) return false;
  return true;
}

/** The value as JSON would carry it (members without a value left out), or null when it cannot be carried. */
export function toJson(value: unknown): Json {
  if (isJson(value)) return value;
  try {
    const copy: unknown = parseJson(JSON.stringify(value) ?? "null");
    return isJson(copy) ? copy : null;
  } catch {
    return null;
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

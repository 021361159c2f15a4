import type { Json } from "#contract/common.ts";

const MAX_DEPTH = 6;
const MAX_ITEMS = 100;
const MAX_CHARS = 8_192;

/** Anything as bounded JSON: a logger must survive what made the caller log. */
export function logFields(fields: Record<string, unknown>): Record<string, Json> {
  const safe: Record<string, Json> = {};
  for (const [name, value] of Object.entries(fields)) {
    const json = toJson(value, 1);
    if (json !== undefined) safe[name] = json;
  }
  return safe;
}

function toJson(value: unknown, depth: number): Json | undefined {
  switch (typeof value) {
    case "string":
      return shorten(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "bigint":
      return value.toString();
    case "object":
      return value === null ? null : objectToJson(value, depth);
    case "undefined":
    case "function":
    case "symbol":
    default:
      return undefined;
  }
}

function objectToJson(value: object, depth: number): Json {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (depth > MAX_DEPTH) return "…";
  if (value instanceof Error) return errorToJson(value, depth);
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => toJson(item, depth + 1) ?? null);
  return membersToJson(Object.entries(value), depth);
}

function errorToJson(error: Error, depth: number): Json {
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  return membersToJson(Object.entries({ type: name, code, message, stack, cause }), depth);
}

function membersToJson(members: [string, unknown][], depth: number): Json {
  const json: Record<string, Json> = {};
  for (const [name, member] of members.slice(0, MAX_ITEMS)) {
    const value = toJson(member, depth + 1);
    if (value !== undefined) json[shorten(name)] = value;
  }
  return json;
}

const shorten = (text: string): string => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text);

import type { Redactor } from "#server/kernel/ports.ts";
import { isRecord, toJson } from "../connection/json-value.ts";

/** Unlike what steps return, this goes straight to the caller, and servers know secrets that the caller may not. */
export function plain(redactor: Redactor, result: unknown): Record<string, unknown> {
  const json = redactor.json(toJson(result));
  return isRecord(json) ? json : {};
}

import { LRUCache } from "lru-cache";
import type { Json } from "#contract/common.ts";
import type { Issue } from "#contract/errors.ts";
import { compileJsonSchema, type Check } from "#server/kernel/json-schema.ts";

/** Checks values against JSON Schemas that agents and workflows bring along. A schema that cannot be used is one issue about itself. */
export type SchemaCheck = (schema: Record<string, Json>, value: Json) => Issue[];

/** Compiled schemas are kept by their text. */
export function createSchemaCheck(): SchemaCheck {
  const compiled = new LRUCache<string, Check>({ max: 500 });
  return (schema, value) => {
    const text = JSON.stringify(schema);
    const check = compiled.get(text) ?? compile(schema);
    compiled.set(text, check);
    return check(value);
  };
}

function compile(schema: Record<string, Json>): Check {
  try {
    return compileJsonSchema(schema);
  } catch (error) {
    const reason = error instanceof Error ? error.message : "unknown reason";
    return () => [{ path: "", message: `the schema cannot be used: ${reason}` }];
  }
}

export const describeIssues = (issues: readonly Issue[]): string =>
  issues
    .slice(0, 3)
    .map((issue) => `${issue.path || "the value"} ${issue.message}`)
    .join("; ");

import { LIMITS } from "#contract/limits.ts";

/** Why a schema is too much to be looked at, or nothing. Walks it once, and never into itself. */
export function measureSchema(schema: unknown): string | undefined {
  const open: { value: unknown; depth: number }[] = [{ value: schema, depth: 1 }];
  let nodes = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    nodes += 1;
    if (nodes > LIMITS.schemaNodes) return `it has more than ${LIMITS.schemaNodes} parts`;
    if (typeof value !== "object" || value === null) continue;
    if (depth > LIMITS.jsonDepth) return `it is nested deeper than ${LIMITS.jsonDepth} levels`;
    for (const part of Object.values(value)) open.push({ value: part, depth: depth + 1 });
  }
  return undefined;
}

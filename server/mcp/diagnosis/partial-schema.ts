import { isRecord } from "../connection/json-value.ts";
import { atPointer } from "../connection/schema-cost.ts";

/** The way to a part of a value: names of members and indices of items. */
export type Way = readonly string[];

/** Rules that other rules may refer to; they stay where they are. */
const SHELF = ["$id", "$anchor", "$defs", "definitions"];
/** Rules about an object or array that hold whatever some of its parts turn out to be. */
const SHAPE = ["type", "required", "propertyNames", "minProperties", "minItems", "maxItems"];

/**
 * As much of a schema as can be judged of a value whose parts at these ways are unknown but there: each rule of what is left holds
 * for every value that the whole schema accepts. Throws where that is too much.
 */
export const partialSchema = (schema: object, unknown: readonly Way[]): unknown =>
  partOf(schema, unknown, { root: schema, left: MOST_PARTS });

/** References can multiply with every level of the value. */
const MOST_PARTS = 10_000;

type Walk = { root: object; left: number };

function partOf(schema: unknown, unknown: readonly Way[], walk: Walk): unknown {
  if (unknown.some((way) => way.length === 0)) return true;
  if (unknown.length === 0 || !isRecord(schema)) return schema;
  if (walk.left-- <= 0) throw new Error(`The schema has more than ${MOST_PARTS} parts that would have to be taken apart.`);
  const { root } = walk;
  const below = Map.groupBy(unknown, ([name = ""]) => name);
  const { properties, patternProperties, additionalProperties: others, allOf, $ref } = schema;
  const named = isRecord(properties) ? properties : {};
  const isNamed = [...below.keys()].every((name) => Object.hasOwn(named, name));
  const all = [...(Array.isArray(allOf) ? allOf : []), ...referred(root, $ref)];
  const members = Object.entries(named).map(([name, member]) => {
    const inside = (below.get(name) ?? []).map((way) => way.slice(1));
    return [name, partOf(member, inside, walk)] as const;
  });
  return {
    ...pick(schema, SHAPE),
    ...(schema === root && pick(schema, SHELF)),
    properties: Object.fromEntries(members),
    ...(isRecord(patternProperties) && { patternProperties: mapValues(patternProperties, true) }),
    ...((isNamed || others === false) && others !== undefined && { additionalProperties: others }),
    allOf: all.map((part) => partOf(part, unknown, walk)),
  };
}

const pick = (schema: Record<string, unknown>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(schema, name)).map((name) => [name, schema[name]]));

const mapValues = (record: Record<string, unknown>, value: unknown): Record<string, unknown> =>
  Object.fromEntries(Object.keys(record).map((name) => [name, value]));

/** What a reference within the document leads to; others are not followed. */
function referred(root: unknown, reference: unknown): unknown[] {
  if (reference === "#") return [root];
  return typeof reference === "string" && reference.startsWith("#/") ? [atPointer(root, reference.slice(2)) ?? true] : [];
}

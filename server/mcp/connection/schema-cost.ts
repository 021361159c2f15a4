import { isRecord } from "./json-value.ts";

/** Keywords whose schemas judge the same value again. */
const SAME_VALUE = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];
const REFERENCES = ["$ref", "$dynamicRef", "$recursiveRef"];
/** More judgements of one and the same value are not worth their time. */
const MOST_JUDGEMENTS = 10_000;

type Schema = Record<string, unknown>;

/**
 * Throws when judging one value by this schema could take for ever: a schema that refers to itself for the same value, or one that
 * refers to others so often that they multiply. Recursion into members and items ends with the value.
 */
export function checkSchemaCost(root: Schema): void {
  const anchors = anchorsOf(root);
  const known = new Map<Schema, number>();
  const open = new Set<Schema>();

  const targetOf = (reference: string): unknown => {
    if (reference === "#") return root;
    if (reference.startsWith("#/")) return atPointer(root, reference.slice(2));
    return anchors.get(reference.replace(/^#/, ""));
  };
  const cost = (schema: Schema): number => {
    const before = known.get(schema);
    if (before !== undefined) return before;
    if (open.has(schema)) throw new Error("it refers to itself without end");
    open.add(schema);
    let sum = 1;
    for (const one of sameValue(schema, targetOf)) {
      sum += cost(one);
      if (sum > MOST_JUDGEMENTS) throw new Error(`it judges one value more than ${MOST_JUDGEMENTS} times`);
    }
    open.delete(schema);
    known.set(schema, sum);
    return sum;
  };
  for (const schema of allIn(root)) cost(schema);
}

function* sameValue(schema: Schema, targetOf: (reference: string) => unknown): Generator<Schema> {
  for (const keyword of SAME_VALUE) yield* schemasOf(schema[keyword], keyword === "dependentSchemas");
  for (const keyword of REFERENCES) {
    const reference = schema[keyword];
    const target = typeof reference === "string" ? targetOf(reference) : undefined;
    if (isRecord(target)) yield target;
  }
}

function schemasOf(value: unknown, isMap: boolean): Schema[] {
  if (Array.isArray(value)) return value.filter(isRecord);
  if (!isRecord(value)) return [];
  return isMap ? Object.values(value).filter(isRecord) : [value];
}

/** What a JSON pointer leads to; undefined where it leads nowhere. */
export function atPointer(root: unknown, pointer: string): unknown {
  let place: unknown = root;
  for (const part of pointer.split("/")) {
    const key = decode(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(place)) place = place[Number(key)];
    else if (isRecord(place) && Object.hasOwn(place, key)) place = place[key];
    else return undefined;
  }
  return place;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function anchorsOf(root: Schema): Map<string, Schema> {
  const found = new Map<string, Schema>();
  for (const schema of allIn(root)) {
    for (const name of [schema["$anchor"], schema["$dynamicAnchor"]]) if (typeof name === "string") found.set(name, schema);
  }
  return found;
}

/** All objects inside, the schema itself first; not all of them are schemas, which does no harm. */
function* allIn(root: unknown): Generator<Schema> {
  const open: unknown[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== "object" || value === null) continue;
    if (isRecord(value)) yield value;
    open.push(...Object.values(value));
  }
}

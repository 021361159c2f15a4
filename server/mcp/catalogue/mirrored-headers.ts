import { isRecord } from "../connection/json-value.ts";

/** In the schema of a parameter: the header in which clients over HTTP repeat it, in the 2026 era. */
const KEYWORD = "x-mcp-header";
/** What may stand in a header's name. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TYPES: ReadonlySet<unknown> = new Set(["string", "integer", "boolean"]);

/** Keywords that hold schemas which are no parameter's, or only that of some calls: one, a list, or some by name. */
const ELSEWHERE = [
  "items",
  "prefixItems",
  "contains",
  "additionalProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
  "propertyNames",
  "oneOf",
  "anyOf",
  "allOf",
  "not",
  "if",
  "then",
  "else",
];
const ELSEWHERE_BY_NAME = ["patternProperties", "dependentSchemas", "$defs", "definitions"];

type Schema = Record<string, unknown>;
type Place = { schema: Schema; path: string; isParameter: boolean; isFixed: boolean };

/**
 * Why no client could do what an input schema asks with headers, or nothing. The protocol wants a client to leave such a tool out, since
 * the header could be another one than the server looks at, or two.
 */
export function headerFault(root: Schema): string | undefined {
  const taken = new Set<string>();
  for (const place of placesIn(root)) {
    if (!Object.hasOwn(place.schema, KEYWORD)) continue;
    const fault = faultOf(place, taken);
    if (fault !== undefined) return `${KEYWORD} of ${place.path === "" ? "the whole" : place.path} ${fault}`;
  }
  return undefined;
}

function faultOf({ schema, isParameter }: Place, taken: Set<string>): string | undefined {
  const name = schema[KEYWORD];
  if (!isParameter) return "does not stand at a parameter that every call has in the same place";
  if (typeof name !== "string" || !TOKEN.test(name)) return `is no header's name: ${JSON.stringify(name)?.slice(0, 80)}`;
  if (!TYPES.has(schema["type"])) return "does not stand at a string, an integer or a boolean";
  if (taken.has(name.toLowerCase())) return `is the header of two parameters: ${name}`;
  taken.add(name.toLowerCase());
  return undefined;
}

/** All schemas inside, the whole one first. */
function* placesIn(root: Schema): Generator<Place> {
  const open: Place[] = [{ schema: root, path: "", isParameter: false, isFixed: true }];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    yield place;
    const { schema, path, isFixed } = place;
    const add = (value: unknown, name: string, isHere: boolean): void => {
      const inside = path === "" ? name : `${path}.${name}`;
      if (isRecord(value)) open.push({ schema: value, path: inside, isParameter: isHere, isFixed: isHere });
    };
    for (const [name, value] of entriesOf(schema["properties"])) add(value, name, isFixed);
    for (const keyword of ELSEWHERE_BY_NAME) for (const [name, value] of entriesOf(schema[keyword])) add(value, name, false);
    for (const keyword of ELSEWHERE) for (const value of [schema[keyword]].flat()) add(value, keyword, false);
  }
}

const entriesOf = (value: unknown): [string, unknown][] => (isRecord(value) ? Object.entries(value) : []);

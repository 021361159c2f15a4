import type { Json } from "#contract/common.ts";
import type { ToolSuggestion } from "#contract/mcp/completion.ts";
import { isRecord } from "../connection/json-value.ts";

/** What a tool's input schema allows at a place of its arguments. Only references within the schema are followed, and not for ever. */
const MOST_HOPS = 16;
const MOST_SUGGESTIONS = 500;

type Schema = Record<string, Json>;
const isSchema = (value: Json | undefined): value is Schema => isRecord(value);

export function suggestAt(root: Schema, path: string): ToolSuggestion[] {
  let places = alternatives(root, root);
  for (const name of path === "" ? [] : path.split("."))
    places = [...new Set(places.flatMap((place) => below(place, name)).flatMap((schema) => alternatives(root, schema)))];
  const all = places.flatMap((place) => [...members(root, place), ...values(place)]);
  return [...new Map(all.map((one) => [`${one.kind}${JSON.stringify(one.value)}`, one])).values()].slice(0, MOST_SUGGESTIONS);
}

function below(schema: Schema, name: string): Schema[] {
  const { properties, items, additionalProperties } = schema;
  const isIndex = /^\d{1,6}$/.test(name);
  const named = isSchema(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
  return [named ?? (isIndex ? items : additionalProperties)].filter(isSchema);
}

/** The schema itself, with what it refers to and what it may be instead. */
function alternatives(root: Schema, schema: Schema): Schema[] {
  const found = new Set<Schema>();
  const open = [schema];
  for (let hops = 0; hops < MOST_HOPS * 16 && open.length > 0; hops += 1) {
    const next = open.shift();
    if (next === undefined || found.has(next)) continue;
    found.add(next);
    const { $ref: ref, anyOf, oneOf, allOf } = next;
    const target = typeof ref === "string" ? refersTo(root, ref) : undefined;
    if (target) open.push(target);
    for (const several of [anyOf, oneOf, allOf]) if (Array.isArray(several)) open.push(...several.slice(0, 64).filter(isSchema));
  }
  return [...found];
}

function refersTo(root: Schema, ref: string): Schema | undefined {
  if (ref === "#") return root;
  if (!ref.startsWith("#/")) return undefined;
  let at: Json | undefined = root;
  for (const name of ref.slice(2).split("/", MOST_HOPS)) {
    const key = name.replaceAll("~1", "/").replaceAll("~0", "~");
    at = isSchema(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  return isSchema(at) ? at : undefined;
}

function members(root: Schema, { properties, required }: Schema): ToolSuggestion[] {
  if (!isSchema(properties)) return [];
  const names = Array.isArray(required) ? required : [];
  return Object.entries(properties).map(([name, schema]) => {
    const all = isSchema(schema) ? alternatives(root, schema) : [];
    const type = all.map((one) => one["type"]).find((one) => typeof one === "string");
    const description = all.map((one) => one["description"]).find((one) => typeof one === "string");
    return { kind: "property", value: name, type: textOr(type), description: textOr(description), isRequired: names.includes(name) };
  });
}

function values(schema: Schema): ToolSuggestion[] {
  const { enum: allowed, const: only, default: usual, examples, type } = schema;
  const listed = [usual, only, ...(Array.isArray(allowed) ? allowed : []), ...(Array.isArray(examples) ? examples : [])];
  const given = type === "boolean" && listed.every((value) => value === undefined) ? [true, false] : listed;
  return given
    .filter((value) => value !== undefined)
    .map((value) => ({ kind: "value", value, type: textOr(type), description: null, isRequired: false }));
}

const textOr = (value: Json | undefined): string | null => (typeof value === "string" ? value : null);

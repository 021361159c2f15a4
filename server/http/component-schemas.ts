import { z } from "zod";
import { CONTRACT } from "#contract/routes.ts";

export type SchemaObject = { [key: string]: SchemaValue };
type SchemaValue = string | number | boolean | null | SchemaValue[] | SchemaObject;

const Schema: z.ZodType<SchemaObject> = z.record(z.string(), z.json());
const PREFIX = "#/components/schemas/";
/** Ids of schemas that have no name: they are written where they are used. */
const INLINE = "inline.";
type Registry = z.core.$ZodRegistry<{ id: string }>;

/** The JSON Schemas of the contract. What the contract exports by name is a component; the rest is written where it is used. */
export type ComponentSchemas = {
  /** As a client sends it: fields with defaults are optional. */
  input(schema: z.ZodType): SchemaObject;
  /** As the server answers it. */
  output(schema: z.ZodType): SchemaObject;
  /** Like `input`, but never a reference to a component. */
  inputInline(schema: z.ZodType): SchemaObject;
  /** The components that were referred to so far, and what they refer to. */
  used(): { [name: string]: SchemaObject };
};

type Roots = { inputs: readonly z.ZodType[]; outputs: readonly z.ZodType[] };

export function componentSchemas({ inputs, outputs }: Roots): ComponentSchemas {
  const registry = namedSchemas([...inputs, ...outputs]);
  const idOf = (schema: z.ZodType): string => registry.get(schema)?.id ?? "";
  const output = convert(registry, "output");
  const input = convert(registry, "input");
  const answered = reach(output, outputs.map(idOf));
  const twofold = differing(input, output);
  const rename = (name: string): string => (twofold.has(name) && answered.has(name) ? `${name}Input` : name);
  const components = new Map([...input].map(([name, schema]) => [rename(name), renameRefs(schema, rename)]));
  for (const name of answered) components.set(name, output.get(name) ?? {});
  const used = new Set<string>();

  const use = (names: readonly string[]): void => {
    for (const each of reach(components, names)) if (!each.startsWith(INLINE)) used.add(each);
  };
  const inline = (name: string): SchemaObject => {
    const schema = components.get(name) ?? {};
    use(refsOf(schema));
    return schema;
  };
  const refer = (name: string): SchemaObject => {
    if (name.startsWith(INLINE)) return inline(name);
    use([name]);
    return { $ref: PREFIX + name };
  };
  return {
    input: (schema) => refer(rename(idOf(schema))),
    inputInline: (schema) => inline(rename(idOf(schema))),
    output: (schema) => refer(idOf(schema)),
    used: () => Object.fromEntries([...used].sort().map((name) => [name, components.get(name) ?? {}])),
  };
}

function namedSchemas(others: readonly z.ZodType[]): Registry {
  const registry: Registry = z.registry<{ id: string }>();
  for (const exports of CONTRACT) {
    for (const [name, value] of Object.entries(exports)) {
      if (value instanceof z.ZodType && !registry.has(value)) registry.add(value, { id: name });
    }
  }
  for (const [i, schema] of others.entries()) if (!registry.has(schema)) registry.add(schema, { id: INLINE + i });
  return registry;
}

/** The names given, and everything they refer to. */
function reach(schemas: ReadonlyMap<string, SchemaObject>, names: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    for (const ref of refsOf(schemas.get(name) ?? {})) visit(ref);
  };
  for (const name of names) visit(name);
  return reached;
}

function convert(registry: Registry, io: "input" | "output"): Map<string, SchemaObject> {
  const { schemas } = z.toJSONSchema(registry, { io, uri: (id) => PREFIX + id, unrepresentable: "any" });
  if ("__shared" in schemas) throw new TypeError("A recursive schema of the contract has no name: export it, and use the exported one.");
  return new Map(Object.entries(schemas).map(([name, schema]) => [name, tidy(Schema.parse(JSON.parse(JSON.stringify(schema))), io)]));
}

/** Without what only says that numbers are JavaScript's, without the names that a component gets from its place, and open for fields that later versions answer. */
function tidy(schema: SchemaObject, io: "input" | "output"): SchemaObject {
  const { $schema: _schema, $id: _id, ...rest } = schema;
  const isNoise = (key: string, value: SchemaValue): boolean =>
    isJavaScriptBound(key, value) || (io === "output" && key === "additionalProperties" && value === false);
  return mapObjects(rest, (object) => Object.fromEntries(Object.entries(object).filter(([key, value]) => !isNoise(key, value))));
}

const isJavaScriptBound = (key: string, value: SchemaValue): boolean =>
  (key === "maximum" || key === "minimum") && typeof value === "number" && Math.abs(value) === Number.MAX_SAFE_INTEGER;

/** The names whose schema depends on the direction, directly or through what they refer to. */
function differing(input: Map<string, SchemaObject>, output: Map<string, SchemaObject>): Set<string> {
  const differs = new Set<string>();
  for (const [name, schema] of input) if (JSON.stringify(schema) !== JSON.stringify(output.get(name))) differs.add(name);
  for (let before = -1; before !== differs.size;) {
    before = differs.size;
    for (const [name, schema] of input) if (refsOf(schema).some((ref) => differs.has(ref))) differs.add(name);
  }
  return differs;
}

function refsOf(schema: SchemaObject): string[] {
  const refs: string[] = [];
  mapObjects(schema, (object) => {
    if (typeof object["$ref"] === "string") refs.push(object["$ref"].slice(PREFIX.length));
    return object;
  });
  return refs;
}

const renameRefs = (schema: SchemaObject, rename: (name: string) => string): SchemaObject =>
  mapObjects(schema, (object) =>
    typeof object["$ref"] === "string" ? { ...object, $ref: PREFIX + rename(object["$ref"].slice(PREFIX.length)) } : object,
  );

function mapObjects(schema: SchemaObject, change: (object: SchemaObject) => SchemaObject): SchemaObject {
  const deep = (value: SchemaValue): SchemaValue => {
    if (Array.isArray(value)) return value.map(deep);
    return typeof value === "object" && value !== null ? mapObjects(value, change) : value;
  };
  return change(Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, deep(value)])));
}

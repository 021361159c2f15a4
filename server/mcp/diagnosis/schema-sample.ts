import { generateSync } from "json-schema-faker";
import { z } from "zod";
import { Json } from "#contract/common.ts";
import { isRecord } from "../connection/json-value.ts";
import { compileSchema } from "../connection/validators.ts";

/** A value that fits a schema, or why there is none. */
export type SampleAnswer = { value: Json } | { problem: string };

/** Random choices that may miss what a schema asks for; another seed may meet it. */
const SEEDS = [1, 2, 3, 4, 5];

/**
 * What is in a sample: what the schema requires, and nothing else; where a property has a default or an example, that. The same
 * schema always gives the same sample. Whatever is made here has been validated by the engine that validates calls.
 */
const RULE = {
  optionalsProbability: 0,
  useDefaultValue: true,
  useExamplesValue: true,
  fixedProbabilities: true,
  maxDefaultItems: 2,
  maxDepth: 12,
  refDepthMax: 3,
  minDateTime: "2026-01-01T00:00:00.000Z",
  maxDateTime: "2026-12-31T00:00:00.000Z",
} as const;

/**
 * Runs to completion on whatever it is given, so it must run where it can be ended: it is called in a thread of its own. A
 * reference to another document is never followed, there is nobody to fetch it.
 */
export function sampleOf(schema: Record<string, unknown>): SampleAnswer {
  try {
    return makeValid(schema);
  } catch (error) {
    return { problem: `it cannot be used: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300) };
  }
}

/** As long as a sample needs to be, unless the schema asks for more: the generator may well go up to what is allowed. */
const ENOUGH = new Map([
  ["maxLength", { least: "minLength", enough: 64 }],
  ["maxItems", { least: "minItems", enough: 4 }],
  ["maxProperties", { least: "minProperties", enough: 16 }],
]);
/** Not rules but values, which must stay what they are. */
const VALUES = new Set(["const", "enum", "default", "examples"]);

function modest(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(modest);
  if (!isRecord(schema)) return schema;
  const entries = Object.entries(schema).map(([key, value]) => {
    if (VALUES.has(key)) return [key, value];
    const bound = ENOUGH.get(key);
    if (typeof value !== "number" || bound === undefined) return [key, modest(value)];
    const needed = schema[bound.least];
    return [key, Math.min(value, Math.max(bound.enough, typeof needed === "number" ? needed : 0))];
  });
  return Object.fromEntries(entries);
}

const Schema = z.record(z.string(), z.unknown());

function makeValid(schema: Record<string, unknown>): SampleAnswer {
  const validate = compileSchema(schema, false);
  let wrong = "";
  for (const seed of SEEDS) {
    const parsed = Json.safeParse(generateSync(Schema.parse(modest(schema)), { ...RULE, seed }));
    if (!parsed.success) wrong = "what was made is no JSON";
    else if (validate(parsed.data)) return { value: parsed.data };
    else wrong = describe(validate.errors?.[0]);
  }
  return { problem: `no value was found that fits it; the last one missed: ${wrong}` };
}

const describe = (error: { instancePath: string; message?: string | undefined } | undefined): string =>
  error === undefined ? "a rule" : `${error.instancePath || "the whole"} ${error.message ?? ""}`.trim().slice(0, 200);

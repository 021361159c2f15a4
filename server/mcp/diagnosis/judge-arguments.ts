import type { ValidateFunction } from "ajv";
import { LRUCache } from "lru-cache";
import { COMPUTED, type KnownValue } from "#server/kernel/known-value.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import { parseDefinition } from "../catalogue/tool-definition.ts";
import { isRecord } from "../connection/json-value.ts";
import { compileSchema } from "../connection/validators.ts";
import { partialSchema, type Way } from "./partial-schema.ts";
import { expectations } from "./schema-errors.ts";

/** One thing that a call would be refused for. `path` begins with `arguments`. */
export type ArgumentProblem = { path: string; expected: string; got: string };

/** What is wrong with arguments as far as they are known. Rejects with an `Error` for a schema that cannot be used. */
export type JudgeArguments = (tool: PinnedTool, known: KnownValue) => ArgumentProblem[];

const SHAPES_KEPT = 500;

/** Schemas are compiled once for all steps that leave the same parts of a tool's arguments to be computed. */
export function createArgumentJudge(): JudgeArguments {
  const compiled = new LRUCache<string, ValidateFunction>({ max: SHAPES_KEPT });
  const compile = (key: string, schema: object): ValidateFunction => {
    const found = compiled.get(key) ?? compileSchema(schema, true);
    compiled.set(key, found);
    return found;
  };
  return (tool, known) => {
    const { inputSchema } = parseDefinition(tool.text);
    const whole = compile(tool.hash, inputSchema);
    const unknown = computedIn(known);
    const validate =
      unknown.length === 0 ? whole : compilePart(inputSchema, unknown, (part) => compile(`${tool.hash} ${JSON.stringify(unknown)}`, part));
    if (validate === undefined || validate(known)) return [];
    return expectations(validate.errors ?? []).map(({ way, expected, isExtra }) => {
      const got = valueAt(known, way);
      return {
        path: ["arguments", ...way].join("."),
        expected: isExtra ? `${expected}; there is ${namesIn(inputSchema, way)}` : got === undefined ? missing(inputSchema, way) : expected,
        got: got === undefined ? "nothing" : shown(got),
      };
    });
  };
}

/** A part may refer to what was left out of it, or be too much to find out; then nothing can be said. */
function compilePart(schema: object, unknown: readonly Way[], compile: (part: object) => ValidateFunction): ValidateFunction | undefined {
  try {
    const part = partialSchema(schema, unknown);
    return isRecord(part) ? compile(part) : undefined;
  } catch {
    return undefined;
  }
}

function computedIn(value: KnownValue, way: Way = []): Way[] {
  if (value === COMPUTED) return [way];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => computedIn(member, [...way, key]));
}

function valueAt(value: KnownValue, way: Way): KnownValue | undefined {
  let at: KnownValue | undefined = value;
  for (const key of way)
    at =
      typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Object.entries(at).find(([name]) => name === key)?.[1] : undefined;
  return at;
}

const LONGEST_SHOWN = 100;

function shown(value: KnownValue): string {
  const text = JSON.stringify(value, (_key, member: unknown) => (member === COMPUTED ? "(computed)" : member)) ?? "";
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** The schemas of the members beside the last one of a way, as far as they are plainly written. */
function membersBeside(schema: object, way: Way): Record<string, unknown> {
  let at: unknown = schema;
  for (const name of way.slice(0, -1)) at = membersOf(at)[name];
  return membersOf(at);
}

function membersOf(schema: unknown): Record<string, unknown> {
  const properties = isRecord(schema) ? schema["properties"] : undefined;
  return isRecord(properties) ? properties : {};
}

const NAMES_SHOWN = 20;

function namesIn(schema: object, way: Way): string {
  const names = Object.keys(membersBeside(schema, way));
  return names.length === 0 ? "none" : names.slice(0, NAMES_SHOWN).join(", ");
}

function missing(schema: object, way: Way): string {
  const member = membersBeside(schema, way)[way.at(-1) ?? ""];
  const type = isRecord(member) ? member["type"] : undefined;
  return typeof type === "string" ? `a value (${type})` : "a value";
}

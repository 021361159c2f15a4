import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { RE2JS } from "re2js";
import type { Issue } from "#contract/errors.ts";

/** Checks a value; an empty list means that it fits. */
export type Check = (value: unknown) => Issue[];

const ISSUES_SHOWN = 50;

/**
 * Compiles a JSON Schema (2020-12) of foreign origin. Throws an `Error` that says what is wrong with the schema. Patterns run
 * on a linear-time engine, because a schema may come from anybody; inherited properties never count as present.
 */
export function compileJsonSchema(schema: Record<string, unknown>): Check {
  const ajv = new Ajv2020({ allErrors: true, strict: false, ownProperties: true, logger: false, code: { regExp: linearRegExp } });
  // The package is CommonJS: its function is a property of what Node imports.
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  return (value) => (validate(value) ? [] : issuesOf(validate));
}

function linearRegExp(pattern: string): { test: (text: string) => boolean; toString: () => string } {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  // Ajv tells patterns apart by their text: without one of its own, every pattern would be the first.
  return { test: (text) => compiled.test(text), toString: () => pattern };
}
linearRegExp.code = "linearRegExp";

function issuesOf(validate: ValidateFunction): Issue[] {
  return (validate.errors ?? []).slice(0, ISSUES_SHOWN).map((error) => ({ path: pathOf(error), message: messageOf(error) }));
}

/** JSON pointer → the dotted path that people know, with the missing or surplus property at its end. */
function pathOf({ instancePath, params }: ErrorObject): string {
  const property: unknown = params["missingProperty"] ?? params["additionalProperty"] ?? params["unevaluatedProperty"];
  const parts = instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return [...parts, ...(typeof property === "string" ? [property] : [])].join(".");
}

function messageOf({ keyword, message, params }: ErrorObject): string {
  const allowed: unknown = params["allowedValues"];
  if (keyword === "enum" && Array.isArray(allowed)) return `must be one of ${allowed.map((value) => JSON.stringify(value)).join(", ")}`;
  return message ?? `breaks the rule "${keyword}"`;
}

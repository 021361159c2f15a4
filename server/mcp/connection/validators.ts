import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { RegExpEngine } from "ajv/dist/types/index.js";
import { default as formats } from "ajv-formats";
import { RE2JS } from "re2js";
import type { Issue } from "#contract/errors.ts";
import { AppError } from "#server/kernel/errors.ts";
import { measureSchema } from "./schema-bounds.ts";
import { checkSchemaCost } from "./schema-cost.ts";

/**
 * Foreign JSON Schema. Patterns run on a linear-time engine; a pattern that it cannot express is not checked here (the
 * server checks it itself). `$ref` never leaves the document. Each schema gets an engine of its own: two servers may use
 * the same `$id`.
 */
const linear: RegExpEngine = Object.assign(
  (pattern: string) => {
    try {
      const compiled = RE2JS.compile(pattern);
      // Ajv tells patterns apart by their text: without one of its own, every pattern would be the first.
      return { test: (text: string): boolean => compiled.matcher(text).find(), toString: () => pattern };
    } catch {
      return { test: (): boolean => true, toString: () => pattern };
    }
  },
  { code: "linearRegExp" },
);

const OPTIONS = {
  strict: false,
  ownProperties: true,
  validateSchema: false,
  meta: false,
  logger: false,
  code: { regExp: linear },
} as const;

const DRAFT_7 = /^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/;

/** Throws when the schema itself is broken, or so large or so entangled that it would hold up everybody else. With `allErrors` it goes on after the first thing wrong. */
export function compileSchema(schema: object, allErrors: boolean): ValidateFunction {
  const tooMuch = measureSchema(schema);
  if (tooMuch !== undefined) throw new Error(`The schema is too much to be looked at: ${tooMuch}.`);
  const { $schema: dialect, ...rules } = { $schema: undefined, ...schema };
  checkSchemaCost(rules);
  const engine =
    typeof dialect === "string" && DRAFT_7.test(dialect) ? new Ajv({ ...OPTIONS, allErrors }) : new Ajv2020({ ...OPTIONS, allErrors });
  formats.default(engine, { mode: "fast" });
  return engine.compile(rules);
}

const MOST_ISSUES = 50;

/** What is wrong with values; `root` is what paths begin with. Throws `mcp_protocol_error` for a broken schema. */
export function schemaCheck(schema: object, what: string, root: string): (value: unknown) => Issue[] {
  const validate = compile(schema, what);
  return (value) => (validate(value) ? [] : (validate.errors ?? []).slice(0, MOST_ISSUES).map((error) => toIssue(error, root)));
}

function compile(schema: object, what: string): ValidateFunction {
  try {
    return compileSchema(schema, true);
  } catch (cause) {
    throw new AppError("mcp_protocol_error", `${what} cannot be used: ${String(cause)}`.slice(0, 500), {
      cause,
      remedy: "Correct the schema in the server.",
    });
  }
}

function toIssue(error: ErrorObject, root: string): Issue {
  const missing: unknown = error.params["missingProperty"];
  const extra: unknown = error.params["additionalProperty"];
  const path = `${root}${error.instancePath.replaceAll("/", ".")}`;
  const member = typeof missing === "string" ? missing : extra;
  return { path: typeof member === "string" ? `${path}.${member}` : path, message: error.message ?? error.keyword, code: error.keyword };
}

/** Expressions of workflow definitions: JSONata, compiled once per version, evaluated without touching anything outside. */
export { compileValue, type CompiledValue, type ExpressionIssue } from "./compile-value.ts";
export { ExpressionError, type ExpressionCode } from "./errors.ts";
export { plainJson } from "./plain-json.ts";
export type { Roots } from "./roots.ts";

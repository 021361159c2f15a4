/** Expressions of workflow definitions: JSONata, compiled once per version, evaluated without touching anything outside. */
export { compileValue, type CompiledValue } from "./compile-value.ts";
export { ExpressionError } from "./errors.ts";
export { plainJson } from "./plain-json.ts";
export type { Roots } from "./roots.ts";

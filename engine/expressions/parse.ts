import jsonata from "jsonata";
import { LIMITS } from "#contract/limits.ts";
import { childrenOf, isAst, startOf, type Ast } from "./ast.ts";
import { ExpressionFailure } from "./errors.ts";
import { failureOf } from "./jsonata-errors.ts";
import { jsonataOptions } from "./sandbox.ts";

export type Parsed = { source: string; ast: Ast; expression: jsonata.Expression };

/** How deep a syntax tree may be: keeps every walk over it, JSONata's own too, well inside the stack. */
const MAX_DEPTH = 200;
/** At how many bracket depths `??` and `?:` may stand: JSONata copies their left side, which doubles at each depth. */
const MAX_DEFAULT_DEPTHS = 5;

/** Throws `ExpressionFailure` for what is not a valid expression. */
export function parseExpression(source: string): Parsed {
  if (source.length > LIMITS.expressionChars) {
    throw invalid(`Expected at most ${LIMITS.expressionChars} characters, got ${source.length}.`);
  }
  if (source.trim() === "") throw invalid("Expected an expression, got nothing.", 0);
  refuseDoubling(source);
  try {
    const expression = jsonata(source, jsonataOptions());
    const ast: unknown = expression.ast();
    if (!isAst(ast)) throw invalid("Expected an expression.");
    check(ast, source, MAX_DEPTH);
    return { source, ast, expression };
  } catch (error) {
    if (error instanceof ExpressionFailure) throw error;
    if (error instanceof RangeError) throw invalid("The expression is nested too deeply.");
    throw failureOf(error, source, "expression_invalid");
  }
}

const invalid = (message: string, position?: number) => new ExpressionFailure("expression_invalid", message, position);

function check(node: Ast, source: string, depthLeft: number): void {
  if (depthLeft === 0) throw invalid("The expression is nested too deeply.", node.position);
  if (node.type === "transform") {
    throw invalid("The transform operator |…|…| is not supported; build the new object with $merge or { }.", at(node, source));
  }
  if (node.type === "variable" && node.value === "eval") throw invalid("$eval is not supported.", at(node, source));
  for (const child of childrenOf(node)) check(child, source, depthLeft - 1);
}

const at = (node: Ast, source: string) => (node.position === undefined ? undefined : startOf(source, node.position, node.value));

function refuseDoubling(source: string): void {
  const depths = new Set<number>();
  let depth = 0;
  for (let position = 0; position < source.length; position++) {
    const char = source[position] ?? "";
    if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) depth--;
    else if (char === "?" && (source[position + 1] === "?" || source[position + 1] === ":")) depths.add(depth);
    if (depths.size > MAX_DEFAULT_DEPTHS) throw invalid("?? and ?: are nested too deeply.", position);
  }
}

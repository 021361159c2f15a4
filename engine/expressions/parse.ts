import jsonata from "jsonata";
import { LIMITS } from "#contract/limits.ts";
import { childrenOf, isAst, startOf, type Ast } from "./ast.ts";
import { ExpressionFailure } from "./errors.ts";
import { failureOf } from "./jsonata-errors.ts";
import { LinearRegExp, compileLinear } from "./linear-regex.ts";
import { NATIVE_NAMES } from "./natives.ts";
import { MAX_SEQUENCE } from "./plain-values.ts";

export type Parsed = {
  source: string;
  ast: Ast;
  expression: jsonata.Expression;
  /** Names of the variables and functions that it reads. */
  variables: ReadonlySet<string>;
};

/** How deep a syntax tree may be: keeps every walk over it, JSONata's own too, well inside the stack. */
const MAX_DEPTH = 200;
/** Nested evaluations: every member of a constructor counts, as they are all begun before the first ends. */
const MAX_STACK = 10_000;
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
    const expression = jsonata(source, optionsOf());
    const ast: unknown = expression.ast();
    if (!isAst(ast)) throw invalid("Expected an expression.");
    const names: Names = { read: new Map(), bound: new Set() };
    check(ast, { source, names }, MAX_DEPTH);
    for (const [name, node] of names.read) {
      if (!names.bound.has(name) && !NATIVE_NAMES.has(name)) throw invalid(`There is no function or variable $${name}.`, at(node, source));
    }
    return { source, ast, expression, variables: new Set(names.read.keys()) };
  } catch (error) {
    if (error instanceof ExpressionFailure) throw error;
    if (error instanceof RangeError) throw invalid("The expression is nested too deeply.");
    throw failureOf(error, source, "expression_invalid");
  }
}

const invalid = (message: string, position?: number) => new ExpressionFailure("expression_invalid", message, position);

type Names = { read: Map<string, Ast>; bound: Set<string> };

/** Refuses what is not supported, and notes the names of variables. */
function check(node: Ast, { source, names }: { source: string; names: Names }, depthLeft: number): void {
  if (depthLeft === 0) throw invalid("The expression is nested too deeply.", node.position);
  if (node.type === "transform") {
    throw invalid("The transform operator |…|…| is not supported; build the new object with $merge or { }.", at(node, source));
  }
  if (node.type === "regex") checkRegex(node, source);
  if (node.type === "variable" && typeof node.value === "string" && node.value !== "" && node.value !== "$") {
    if (node.value === "eval") throw invalid("$eval is not supported.", at(node, source));
    names.read.set(node.value, node);
  }
  for (const name of boundBy(node)) names.bound.add(name);
  for (const child of childrenOf(node)) check(child, { source, names }, depthLeft - 1);
}

/** Variables that a node gives a value: `$x := …`, parameters, `@$x` and `#$x`. */
function boundBy(node: Ast): string[] {
  const assigned = node.type === "bind" && isAst(node.lhs) ? [node.lhs.value] : [];
  const parameters = node.type === "lambda" ? (node.arguments ?? []).map((parameter) => parameter.value) : [];
  const indexes = (node.stages ?? []).map((stage) => (stage.type === "index" ? stage.value : undefined));
  return [...assigned, ...parameters, ...indexes, node.focus, node.index].filter((name) => typeof name === "string");
}

function checkRegex(node: Ast, source: string): void {
  try {
    if (node.value instanceof RegExp) compileLinear(node.value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : "";
    throw invalid(`The regular expression is not supported (no lookaround, no back references): ${reason}`.slice(0, 200), at(node, source));
  }
}

function optionsOf(): jsonata.JsonataOptions {
  const options: jsonata.JsonataOptions = { timeout: LIMITS.expressionMs, stack: MAX_STACK, sequence: MAX_SEQUENCE };
  // Set like this because its type is that of RegExp itself, of which JSONata needs only `exec` and `lastIndex`.
  Reflect.set(options, "RegexEngine", LinearRegExp);
  return options;
}

function at({ position, type, value }: Ast, source: string): number | undefined {
  if (position === undefined) return undefined;
  if (value instanceof RegExp) return source.lastIndexOf(`/${value.source}/`, position);
  return startOf(source, position, type === "transform" ? "|" : value);
}

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

import type { Json } from "#contract/common.ts";
import { isAst, operands, pairsOf, type Ast } from "./ast.ts";
import { isPlain, plainJson, setOwn } from "./plain-json.ts";
import { OPERATIONS } from "./plain-operators.ts";
import { nativeClosure } from "./plain-natives.ts";
import { pathClosure, type Closure } from "./plain-path.ts";
import { checkSequence, failed, isList, isNumeric, isTruthy, type Value } from "./plain-values.ts";
import type { Roots } from "./roots.ts";

/**
 * The plain part of JSONata as closures, with exactly JSONata's results: paths of names with predicates, literals, array and
 * object constructors, arithmetic, comparison, `&`, `and`, `or`, `in`, `?:` and its relatives, blocks without variables, calls of
 * simple functions. Undefined for everything else. May throw `NeedsJsonata`. `plain.property.test.ts` compares the two.
 */
export function plainEvaluator(ast: Ast): ((roots: Roots) => Json | undefined) | undefined {
  const closure = compile(ast, true);
  return closure && ((roots) => finish(closure(undefined, roots)));
}

type Compiler = (node: Ast, atTop: boolean) => Closure | undefined;

const COMPILERS: ReadonlyMap<string, Compiler> = new Map<string, Compiler>([
  ["string", literal],
  ["number", literal],
  ["value", literal],
  ["path", (node, atTop) => pathClosure(node, atTop, (condition) => compile(condition, false))],
  ["variable", (node, atTop) => (node.value === "" && !atTop ? (context) => context : undefined)],
  ["binary", binary],
  ["unary", unary],
  ["condition", condition],
  ["block", block],
  ["function", call],
]);

function compile(node: Ast | undefined, atTop: boolean): Closure | undefined {
  if (node === undefined || node.predicate || node.group || node.consarray || node.tuple || node.focus !== undefined) return undefined;
  return COMPILERS.get(node.type)?.(node, atTop);
}

/** All or nothing. */
function compileAll(nodes: readonly Ast[], atTop: boolean): Closure[] | undefined {
  const closures: Closure[] = [];
  for (const node of nodes) {
    const closure = compile(node, atTop);
    if (closure === undefined) return undefined;
    closures.push(closure);
  }
  return closures;
}

function literal({ value }: Ast): Closure | undefined {
  const isScalar = value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isScalar ? () => value : undefined;
}

function binary(node: Ast, atTop: boolean): Closure | undefined {
  const sides = operands(node);
  const left = sides && compile(sides.left, atTop);
  const right = sides && compile(sides.right, atTop);
  if (!sides || !left || !right) return undefined;
  if (node.value === "and") return (context, roots) => isTruthy(left(context, roots)) && isTruthy(right(context, roots));
  if (node.value === "or") return (context, roots) => isTruthy(left(context, roots)) || isTruthy(right(context, roots));
  // JSONata compares objects by identity here, which only it can do: see `copyOf` in `context.ts`.
  if (node.value === "in" && !isScalar(sides.left) && !isScalar(sides.right)) return undefined;
  const operation = OPERATIONS.get(String(node.value));
  const position = startOfOperator(node);
  return operation && ((context, roots) => operation(left(context, roots), right(context, roots), position));
}

/** JSONata notes where an operator ends. */
const startOfOperator = ({ position, value }: Ast) => (position === undefined ? undefined : position - String(value).length);

/** Whether a node can only give strings, numbers, booleans, null, or arrays of them. */
function isScalar({ type, value, expressions = [] }: Ast): boolean {
  if (type === "unary" && value === "[") return expressions.every(isScalar);
  return type === "string" || type === "number" || type === "value" || (type === "binary" && value !== "..");
}

function unary(node: Ast, atTop: boolean): Closure | undefined {
  if (node.value === "[") return arrayConstructor(node, atTop);
  if (node.value === "{") return atTop ? objectConstructor(node) : undefined;
  const operand = compile(node.expression, atTop);
  const position = startOfOperator(node);
  return (
    operand &&
    ((context, roots) => {
      const value = operand(context, roots);
      if (value === undefined) return undefined;
      if (!isNumeric(value)) throw failed("Cannot negate a non-numeric value", position);
      return -value;
    })
  );
}

/** Members that are arrays are joined into the result, unless they are written as arrays. */
function arrayConstructor({ expressions = [] }: Ast, atTop: boolean): Closure | undefined {
  const members = compileAll(expressions, atTop);
  const nests = expressions.map((node) => node.value === "[");
  return (
    members &&
    ((context, roots) => {
      const items: Value[] = [];
      for (const [at, member] of members.entries()) {
        const value = member(context, roots);
        if (isList(value) && nests[at] !== true) for (const item of value) items.push(item);
        else if (value !== undefined) items.push(value);
        checkSequence(items);
      }
      return items;
    })
  );
}

const RESERVED_KEYS = new Set<Value>(["_jsonata_lambda", "_jsonata_function"]);

/** Only where the context is the top: against an array of items it would group them. */
function objectConstructor(node: Ast): Closure | undefined {
  const pairs = pairsOf(node);
  const keys = compileAll(
    pairs.map(([key]) => key),
    true,
  );
  const values = compileAll(
    pairs.map(([, value]) => value),
    true,
  );
  if (!keys || !values) return undefined;
  const position = startOfOperator(node);
  const fixed = keys.map((_, at) => pairs[at]?.[0].value);
  const areFixed = pairs.every(([key]) => key.type === "string") && new Set(fixed).size === fixed.length;
  if (areFixed && !fixed.some((key) => typeof key !== "string" || RESERVED_KEYS.has(key))) return fixedObject(fixed.map(String), values);
  return (context, roots) => {
    const members = new Map<string, Closure>();
    for (const [at, keyOf] of keys.entries()) {
      const value = values[at];
      const key = keyOf(context, roots);
      if (key !== undefined && value !== undefined) members.set(checkedKey(key, members, position), value);
    }
    return fixedObject([...members.keys()], [...members.values()])(context, roots);
  };
}

function checkedKey(key: Value, members: ReadonlyMap<string, Closure>, position: number | undefined): string {
  if (typeof key !== "string") throw failed("Key in object structure must evaluate to a string", position);
  if (RESERVED_KEYS.has(key)) throw failed("Object property names starting with _jsonata_ are reserved for internal use", position);
  if (members.has(key)) throw failed(`Multiple key definitions evaluate to same key: ${JSON.stringify(key.slice(0, 80))}`, position);
  return key;
}

function fixedObject(keys: readonly string[], values: readonly Closure[]): Closure {
  return (context, roots) => {
    const object: { [key: string]: Value } = {};
    for (let at = 0; at < keys.length; at++) {
      const value = values[at]?.(context, roots);
      if (value !== undefined) setOwn(object, keys[at] ?? "", value);
    }
    return object;
  };
}

function condition(node: Ast, atTop: boolean): Closure | undefined {
  const test = compile(node.condition, atTop);
  const then = compile(node.then, atTop);
  const otherwise = node.else === undefined ? () => undefined : compile(node.else, atTop);
  return (
    test && then && otherwise && ((context, roots) => (isTruthy(test(context, roots)) ? then(context, roots) : otherwise(context, roots)))
  );
}

function block({ expressions = [] }: Ast, atTop: boolean): Closure | undefined {
  const closures = compileAll(expressions, atTop);
  const only = closures?.length === 1 ? closures[0] : undefined;
  if (only) return only;
  return (
    closures &&
    ((context, roots) => {
      let result: Value;
      for (const closure of closures) result = closure(context, roots);
      return result;
    })
  );
}

/** A call of one of JSONata's functions. They can only be redefined by an assignment, and those are not plain. */
function call(node: Ast, atTop: boolean): Closure | undefined {
  const name = isAst(node.procedure) && node.procedure.type === "variable" && !node.procedure.predicate ? node.procedure.value : undefined;
  const args = typeof name === "string" ? compileAll(node.arguments ?? [], atTop) : undefined;
  if (typeof name !== "string" || args === undefined) return undefined;
  const [only] = args;
  // `x ?? y` asks for `$exists(x)`.
  if (name === "exists" && only && args.length === 1) return (context, roots) => only(context, roots) !== undefined;
  return nativeClosure(name, args, node.keepArray === true);
}

/** Results are refused or tidied as those of JSONata are; what is already fine is not copied. */
function finish(value: Value): Json | undefined {
  if (value === undefined || value === null || typeof value === "boolean") return value;
  return isPlain(value) ? value : plainJson(value);
}

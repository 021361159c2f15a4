import jsonata from "jsonata";
import { LIMITS } from "#contract/limits.ts";
import { tooLarge } from "./errors.ts";
import { Evaluation, checkTime, evaluationOf } from "./evaluation.ts";
import { NATIVE_CHECKS } from "./native-limits.ts";
import { nativeReplacements, type Native } from "./native-replacements.ts";
import { MAX_SEQUENCE } from "./plain-values.ts";
import type { Roots } from "./roots.ts";

/** Every function of JSONata but `$eval`. */
const NAMES =
  "abs append assert average base64decode base64encode boolean ceil clone contains count decodeUrl decodeUrlComponent distinct each " +
  "encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger formatNumber fromMillis join keys length lookup " +
  "lowercase map match max merge millis min not now number pad parseInteger power random reduce replace reverse round shuffle sift " +
  "single sort split spread sqrt string substring substringAfter substringBefore sum toMillis trim type uppercase zip";
export const NATIVE_NAMES: ReadonlySet<string> = new Set(NAMES.split(" "));

/** As JSONata keeps its functions. */
type Definition = { implementation: Native; signature?: unknown };

function isDefinition(value: unknown): value is Definition {
  return typeof value === "object" && value !== null && "implementation" in value && typeof value.implementation === "function";
}

/** `assign` takes symbols too, which its type does not say. */
export function assign(expression: jsonata.Expression, name: string | symbol, value: unknown): void {
  const bind: unknown = Reflect.get(expression, "assign");
  if (typeof bind === "function") Reflect.apply(bind, expression, [name, value]);
}

/** JSONata's own, by name. */
const definitionOf = lazily(() => {
  const environment = rootEnvironment();
  return (name: string): Definition => {
    const definition: unknown = environment.lookup(name);
    if (!isDefinition(definition)) throw new Error(`JSONata has no function $${name}.`);
    return definition;
  };
});

const guardedDefinitions = lazily(() => {
  const original = definitionOf();
  const replacements = nativeReplacements((name) => original(name).implementation);
  return new Map([...NATIVE_NAMES].map((name) => [name, guarded(name, original(name), replacements.get(name))]));
});

/** JSONata is asked for its functions once, when the first expression needs one. */
function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** Replaces JSONata's functions, as far as the expression uses them, by ones that mind their limits. */
export function guardNatives(expression: jsonata.Expression, used: Iterable<string>): void {
  for (const name of used) {
    const definition = guardedDefinitions().get(name);
    if (definition) assign(expression, name, definition);
  }
}

/** A function of JSONata that needs no environment, to be called directly. Throws whatever JSONata throws. */
export function directNative(name: string): (args: readonly unknown[], context: unknown) => unknown {
  const { implementation, signature } = definitionOf()(name);
  const validate: unknown = typeof signature === "object" && signature !== null ? Reflect.get(signature, "validate") : undefined;
  if (typeof validate !== "function") throw new Error(`JSONata does not check the arguments of $${name}.`);
  const check = NATIVE_CHECKS.get(name);
  return (args, context) => {
    for (const arg of args) checkArgument(arg);
    const valid: unknown = Reflect.apply(validate, signature, [args, context]);
    if (!Array.isArray(valid)) throw new Error(`JSONata did not accept the arguments of $${name}.`);
    check?.(valid, new Evaluation(NO_ROOTS, name));
    return Reflect.apply(implementation, FOCUS, valid);
  };
}

/** What the direct functions find in their `this`. */
const FOCUS = {
  options: { sequence: MAX_SEQUENCE },
  createSequence: (...members: unknown[]) => Object.assign([...members], { sequence: true }),
};

const NO_ROOTS: Roots = { input: null, step: () => undefined, context: {}, run: { id: "", workflowId: "", version: 0 }, now: 0, seed: "" };

/** JSONata calls this hook, before anything asynchronous, with the environment in which it looks its functions up. */
function rootEnvironment(): jsonata.Environment {
  let environment: jsonata.Environment | undefined;
  const probe = jsonata("null");
  assign(probe, Symbol.for("jsonata.__evaluate_entry"), (_node: unknown, _input: unknown, given: jsonata.Environment) => {
    environment = given;
  });
  void probe.evaluate(null);
  if (environment === undefined) throw new Error("JSONata did not show its environment.");
  return environment;
}

function guarded(name: string, definition: Definition, replacement: Native | undefined): Definition {
  const compute = replacement ?? definition.implementation;
  const check = NATIVE_CHECKS.get(name);
  const implementation: Native = function (...args) {
    const evaluation = evaluationOf(this.environment);
    checkTime(this.environment);
    for (const arg of args) checkArgument(evaluation.admit(arg));
    check?.(args, evaluation);
    const result = compute.apply(
      this,
      args.map((arg) => (typeof arg === "function" ? timed(arg, this.environment) : arg)),
    );
    return result instanceof Promise ? result.then((value: unknown) => evaluation.admit(value)) : evaluation.admit(result);
  };
  // JSONata reads the number of parameters for callbacks, and their names, from the source, for partial application.
  Object.defineProperty(implementation, "length", { value: definition.implementation.length });
  Object.defineProperty(implementation, "toString", { value: () => String(definition.implementation) });
  return { ...definition, implementation };
}

function checkArgument(arg: unknown): void {
  if (typeof arg === "string" && arg.length > LIMITS.expressionResultBytes)
    throw tooLarge(`Expected texts of at most ${LIMITS.expressionResultBytes} characters.`);
}

/** A regular expression comes as a function whose results lead to the next match; each match asks for the time. */
function timed(callback: Function, environment: jsonata.Environment): Function {
  const withTimedNext = (result: unknown): unknown =>
    typeof result === "object" && result !== null && "next" in result && typeof result.next === "function"
      ? { ...result, next: timed(result.next, environment) }
      : result;
  const wrapped = (...args: unknown[]): unknown => {
    checkTime(environment);
    const result: unknown = Reflect.apply(callback, undefined, args);
    return result instanceof Promise ? result.then(withTimedNext) : withTimedNext(result);
  };
  Object.defineProperty(wrapped, "length", { value: callback.length });
  const arity: unknown = Reflect.get(callback, "arity");
  return arity === undefined ? wrapped : Object.assign(wrapped, { arity });
}

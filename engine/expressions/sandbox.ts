import type jsonata from "jsonata";
import type { Json } from "#contract/common.ts";
import { EVALUATION, Evaluation, evaluationOf } from "./evaluation.ts";
import { failureOf } from "./jsonata-errors.ts";
import { assign, guardNatives } from "./natives.ts";
import type { Parsed } from "./parse.ts";
import { plainJson, setOwn, type JsonObject } from "./plain-json.ts";
import type { RootReference } from "./references.ts";
import type { Roots } from "./roots.ts";
import type { Compute } from "./value-parts.ts";

/** Fewer parts than this cannot take the whole time: then the process was held up, not the expression. */
const STEPS_IN_TIME = 1_000;

/** Evaluates with JSONata itself: what closures cannot do. */
export function sandboxed({ source, expression, variables }: Parsed, references: readonly RootReference[]): Compute {
  guardNatives(expression, variables);
  assign(expression, Symbol.for("jsonata.__evaluate_exit"), weigh);
  const once = async (roots: Roots, evaluation: Evaluation): Promise<Json | undefined> => {
    const result: unknown = await expression.evaluate(contextOf(roots, references), { eval: undefined, [EVALUATION]: evaluation });
    return result === undefined ? undefined : plainJson(result);
  };
  return (roots) =>
    exclusively(async () => {
      const evaluation = new Evaluation(roots, source);
      try {
        return await once(roots, evaluation);
      } catch (error) {
        const failure = failureOf(error, source, "expression_failed");
        if (failure.code !== "expression_timeout" || evaluation.steps > STEPS_IN_TIME) throw failure;
      }
      try {
        return await once(roots, new Evaluation(roots, source));
      } catch (error) {
        throw failureOf(error, source, "expression_failed");
      }
    });
}

/** JSONata calls this after every part with the node, its context, the environment and the result. */
function weigh(...[, , environment, result]: [unknown, unknown, jsonata.Environment, unknown]): void {
  evaluationOf(environment).admit(result);
}

let last: Promise<unknown> = Promise.resolve();

/**
 * One evaluation at a time in this process: JSONata is asynchronous but never waits for anything outside, and its time limit is
 * by the clock, so evaluations that take turns would use up one another's time.
 */
function exclusively<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.catch(() => undefined);
  return result;
}

/** A copy of what the expression reads: JSONata marks and sometimes changes the lists it works on. */
function contextOf(roots: Roots, references: readonly RootReference[]): JsonObject {
  const context: JsonObject = {};
  const steps: JsonObject = {};
  for (const { root, name } of references) {
    if (root === "input") context["input"] = copyOf(roots.input);
    if (root === "item" && roots.item !== undefined) context["item"] = copyOf(roots.item);
    if (root === "index" && roots.index !== undefined) context["index"] = roots.index;
    if (root === "run") context["run"] = { ...roots.run };
    const output = root === "steps" && name !== undefined ? roots.step(name) : undefined;
    if (name !== undefined && output !== undefined) setOwn(steps, name, copyOf(output));
  }
  if (Object.keys(steps).length > 0) context["steps"] = steps;
  return context;
}

/** JSONata takes objects with these members for functions, so data must not have them. */
const MARKS = new Set(["_jsonata_lambda", "_jsonata_function"]);

/** Shares nothing with the original, nor within itself: `in` compares by identity, which must not depend on a restart. */
function copyOf(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  const copy: JsonObject = {};
  for (const [key, member] of Object.entries(value)) if (!MARKS.has(key)) setOwn(copy, key, copyOf(member));
  return copy;
}

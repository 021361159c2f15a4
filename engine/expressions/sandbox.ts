import type jsonata from "jsonata";
import type { Json } from "#contract/common.ts";
import { contextReader } from "./context.ts";
import { EVALUATION, Evaluation, evaluationOf } from "./evaluation.ts";
import { failureOf } from "./jsonata-errors.ts";
import { assign, guardNatives } from "./natives.ts";
import type { Parsed } from "./parse.ts";
import { plainJson } from "./plain-json.ts";
import type { RootReference } from "./references.ts";
import type { Roots } from "./roots.ts";
import type { Compute } from "./value-parts.ts";

/** Fewer parts than this cannot take the whole time: then the process was held up, not the expression. */
const STEPS_IN_TIME = 1_000;

/** Evaluates with JSONata itself: what closures cannot do. */
export function sandboxed({ source, expression, variables }: Parsed, references: readonly RootReference[]): Compute {
  const readContext = contextReader(references);
  guardNatives(expression, variables);
  assign(expression, Symbol.for("jsonata.__evaluate_exit"), weigh);
  const once = async (roots: Roots, evaluation: Evaluation): Promise<Json | undefined> => {
    const result: unknown = await expression.evaluate(readContext(roots), { eval: undefined, [EVALUATION]: evaluation });
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

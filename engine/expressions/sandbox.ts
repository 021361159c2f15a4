import type jsonata from "jsonata";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { failureOf } from "./jsonata-errors.ts";
import { plainJson } from "./plain-json.ts";
import type { RootReference } from "./references.ts";
import type { Roots } from "./roots.ts";
import type { Compute } from "./value-parts.ts";

export const jsonataOptions = (): jsonata.JsonataOptions => ({ timeout: LIMITS.expressionMs, stack: 10_000, sequence: 100_000 });

export function evaluatorOf(
  { source, expression }: { source: string; expression: jsonata.Expression },
  references: readonly RootReference[],
): Compute {
  return async (roots) => {
    try {
      const result: unknown = await expression.evaluate(contextOf(roots, references), { eval: undefined });
      return result === undefined ? undefined : plainJson(result);
    } catch (error) {
      throw failureOf(error, source, "expression_failed");
    }
  };
}

function contextOf(roots: Roots, references: readonly RootReference[]): { [key: string]: Json } {
  const context: { [key: string]: Json } = {};
  const steps: { [key: string]: Json } = {};
  for (const { root, name } of references) {
    if (root === "input") context["input"] = structuredClone(roots.input);
    if (root === "item" && roots.item !== undefined) context["item"] = structuredClone(roots.item);
    if (root === "index" && roots.index !== undefined) context["index"] = roots.index;
    if (root === "run") context["run"] = { ...roots.run };
    const output = root === "steps" && name !== undefined ? roots.step(name) : undefined;
    if (name !== undefined && output !== undefined) steps[name] = structuredClone(output);
  }
  if (Object.keys(steps).length > 0) context["steps"] = steps;
  return context;
}

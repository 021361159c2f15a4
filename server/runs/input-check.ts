import type { Json } from "#contract/common.ts";
import { AppError } from "../kernel/errors.ts";
import { compileJsonSchema, type Check } from "../kernel/json-schema.ts";
import type { StartableVersion } from "./ports.ts";

/** Throws `input_invalid` when the input does not fit the version's input schema. */
export type InputCheck = (version: Pick<StartableVersion, "plan" | "workflowName">, input: Json) => void;

export function createInputCheck(): InputCheck {
  const checks = new WeakMap<object, Check>();
  return ({ plan, workflowName }, input) => {
    const schema = plan.definition.input;
    if (!schema) return;
    const check = checks.get(schema) ?? compileJsonSchema(schema);
    checks.set(schema, check);
    const issues = check(input);
    if (issues.length > 0) throw new AppError("input_invalid", `The input does not fit the input schema of "${workflowName}".`, { issues });
  };
}

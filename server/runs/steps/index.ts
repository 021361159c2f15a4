import { AppError } from "../../kernel/errors.ts";
import type { StepExecutor } from "../../kernel/step-executor.ts";
import type { AllExecutors, Executors } from "../ports.ts";
import { codeExecutor } from "./code.ts";
import { subworkflowExecutor, type SubworkflowDeps } from "./subworkflow.ts";

const unavailable: StepExecutor = {
  prepare: () => Promise.reject(new AppError("unavailable", "This kind of step cannot be carried out here.")),
  run: () => Promise.reject(new AppError("unavailable", "This kind of step cannot be carried out here.")),
};

/** Who carries out each type of outside step: the other slices, and this one. */
export function createExecutors(outside: Executors, deps: SubworkflowDeps): { executors: AllExecutors; stop: () => Promise<void> } {
  const code = codeExecutor();
  const executors = { ...outside, subworkflow: subworkflowExecutor(deps), http: unavailable, code: code.executor };
  return { executors, stop: code.stop };
}

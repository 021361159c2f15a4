import type { StepExecutor } from "../../kernel/step-executor.ts";
import type { AllExecutors, Executors } from "../ports.ts";
import { codeExecutor } from "./code.ts";
import { httpExecutor, type HttpDeps } from "./http.ts";
import { subworkflowExecutor, type SubworkflowDeps } from "./subworkflow.ts";

export type StepDeps = SubworkflowDeps & HttpDeps;

/** Who carries out each type of outside step: the other slices, and this one. */
export function createExecutors(outside: Executors, deps: StepDeps): { executors: AllExecutors; stop: () => Promise<void> } {
  const code = codeExecutor();
  const own: Record<"subworkflow" | "http" | "code", StepExecutor> = {
    subworkflow: subworkflowExecutor(deps),
    http: httpExecutor(deps),
    code: code.executor,
  };
  return { executors: { ...outside, ...own }, stop: code.stop };
}

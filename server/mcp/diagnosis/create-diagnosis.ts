import type { Handled } from "#server/kernel/handle.ts";
import { createToolChecks, type JudgeUses, type ToolsUsed } from "./check-tools.ts";
import { diagnosisUseCases, type DiagnosisDeps } from "./diagnosis.ts";
import { diagnosisRoutes } from "./routes.ts";
import { createSamples } from "./samples.ts";

export type Diagnosis = {
  routes: Handled[];
  judgeUses: JudgeUses;
  /** Gives up tests that are running, and waits until they have ended what they started. */
  stop(): Promise<void>;
};

export function createDiagnosis(deps: Omit<DiagnosisDeps, "makeSample" | "tools"> & { toolsUsed: ToolsUsed }): Diagnosis {
  const samples = createSamples();
  const tools = createToolChecks(deps);
  const diagnosis = diagnosisUseCases({ ...deps, tools, makeSample: samples });
  return {
    judgeUses: tools.ofUses,
    routes: diagnosisRoutes(diagnosis),
    stop: async () => {
      await diagnosis.stop();
      await samples.stop();
    },
  };
}

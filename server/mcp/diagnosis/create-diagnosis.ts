import type { Handled } from "#server/kernel/handle.ts";
import { diagnosisUseCases, type DiagnosisDeps } from "./diagnosis.ts";
import { diagnosisRoutes } from "./routes.ts";
import { createSamples } from "./samples.ts";

export type Diagnosis = {
  routes: Handled[];
  /** Gives up tests that are running, and waits until they have ended what they started. */
  stop(): Promise<void>;
};

export function createDiagnosis(deps: Omit<DiagnosisDeps, "makeSample">): Diagnosis {
  const samples = createSamples();
  const diagnosis = diagnosisUseCases({ ...deps, makeSample: samples });
  return {
    routes: diagnosisRoutes(diagnosis),
    stop: async () => {
      await diagnosis.stop();
      await samples.stop();
    },
  };
}

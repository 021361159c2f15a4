import { afterEach } from "vitest";
import type { Runs } from "#server/runs/index.ts";
import { createProcess, Outside, type Platform } from "./runs.ts";

type Options = Parameters<typeof createProcess>[2];

export type RunProcesses = {
  /** Makes a process and starts it. */
  started(outside?: Outside, options?: Options): Promise<Runs>;
  /** Has one that the test made itself stopped with the others. */
  keep(runs: Runs): Runs;
  /** Stops one before the test is over. */
  stop(runs: Runs): Promise<void>;
};

/** The processes of a test file: all are stopped after each test, before what hooks of the file that came earlier look at. */
export function runProcesses(platform: () => Platform): RunProcesses {
  const open = new Set<Runs>();
  const stop = async (runs: Runs): Promise<void> => {
    open.delete(runs);
    await runs.stop();
  };
  afterEach(async () => {
    for (const runs of open) await stop(runs);
  });
  const keep = (runs: Runs): Runs => {
    open.add(runs);
    return runs;
  };
  return {
    keep,
    stop,
    started: async (outside = new Outside(), options = {}) => {
      const runs = keep(createProcess(platform(), outside, options));
      await runs.start();
      return runs;
    },
  };
}

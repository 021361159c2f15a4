import { openPlatform, saveDefinition } from "./platform.ts";
import { keepGoing, medianMs, runner } from "./run-many.ts";
import { countingChain, type Classification, type Expression } from "./workflows.ts";

export type MeasureOptions = {
  /** A login that may create roles, on a database of the benchmark's own. */
  url: string;
  /** Workflows under way at once; a new one begins when one ends. */
  runs: number;
  /** Steps per workflow, one after another. */
  steps: number;
  expression: Expression;
  classification: Classification;
  /** Workflows measured, after a warm-up of a tenth of them. */
  total?: number;
  /** Workflows run one after another for the time that one step adds. */
  singles?: number;
};
export type Measured = { stepsPerSecond: number; msPerStep: number };

/** Durable steps per second of the real executor: validated, audited, redacted starts and ends included. */
export async function measure({ url, runs, steps, expression, classification, ...counts }: MeasureOptions): Promise<Measured> {
  const { total = Math.max(2_000, runs * 40), singles = 15 } = counts;
  const platform = await openPlatform(url);
  try {
    const workflowId = await saveDefinition(platform, countingChain({ steps, expression, classification }));
    const run = runner(platform, workflowId);
    await keepGoing(run, { runs, total: Math.ceil(total / 10) });
    const began = performance.now();
    await keepGoing(run, { runs, total });
    const seconds = (performance.now() - began) / 1_000;
    return { stepsPerSecond: (total * steps) / seconds, msPerStep: (await medianMs(run, singles)) / steps };
  } finally {
    await platform.close();
  }
}

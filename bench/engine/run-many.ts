import { isFinal } from "#contract/runs.ts";
import type { BenchPlatform } from "./platform.ts";

export type RunOnce = () => Promise<void>;

/** A function that starts a run and resolves when it has succeeded. */
export function runner({ runs, live, tenantId }: BenchPlatform, workflowId: string): RunOnce {
  type Waiting = { resolve: () => void; reject: (error: Error) => void };
  const waiting = new Map<string, Waiting>();
  const early = new Map<string, string>();
  const settle = (runId: string, status: string): void => {
    const { resolve, reject } = waiting.get(runId) ?? {};
    if (!resolve || !reject) early.set(runId, status);
    else if (status === "succeeded") resolve();
    else reject(new Error(`A run of the benchmark ended ${status}.`));
    waiting.delete(runId);
  };
  live.subscribe(tenantId, (event) => {
    if (event.type === "run" && isFinal(event.status)) settle(event.runId, event.status);
  });
  return async () => {
    const { id } = await runs.startRun({ tenantId, initiator: "system:bench", workflowId, input: { value: 0 } });
    await new Promise<void>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      const status = early.get(id);
      if (status !== undefined) settle(id, status);
      early.delete(id);
    });
  };
}

/** Keeps `runs` runs under way until `total` have ended: a new one begins when one ends. */
export async function keepGoing(run: RunOnce, { runs, total }: { runs: number; total: number }): Promise<void> {
  let left = total;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await run();
    }
  };
  await Promise.all(Array.from({ length: Math.min(runs, total) }, worker));
}

/** The median time of a run when there is no other, in ms. */
export async function medianMs(run: RunOnce, count: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await run();
    times.push(performance.now() - began);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? Number.NaN;
}

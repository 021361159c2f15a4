import { availableParallelism } from "node:os";
import { print } from "../support/report.ts";
import { measureWorkers } from "./workers.ts";

const WORKERS = [1, 2, 4] as const;

type Row = readonly [metric: string, value: number, unit: string];
const figure = (...[metric, value, unit]: Row): void => print({ bench: "scale", system: "auterity", metric, value, unit });

/** What becomes of the engine's speed as an installation grows. One file for each way of growing. */
export async function scale(): Promise<void> {
  // Without which the rest says little: everything that is measured shares them.
  figure("cores", availableParallelism(), "cores");
  await moreWorkers();
}

/** The same work for one, two and four worker processes, beside one API process, PostgreSQL with fsync on, and Redis. */
async function moreWorkers(): Promise<void> {
  let alone = Number.NaN;
  for (const workers of WORKERS) {
    const stepsPerSecond = await measureWorkers(workers);
    if (workers === 1) alone = stepsPerSecond;
    figure(`steps_per_second_${workers}_workers`, stepsPerSecond, "steps/s");
    if (workers > 1) figure(`speedup_${workers}_workers`, stepsPerSecond / alone, "ratio");
  }
}

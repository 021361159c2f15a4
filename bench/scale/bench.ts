import { availableParallelism } from "node:os";
import { print } from "../support/report.ts";
import { throwAwayPostgres } from "../support/throw-away-postgres.ts";
import { measureFullJournal } from "./full-journal.ts";
import { measureLongRun } from "./long-run.ts";
import { measureMap } from "./map.ts";
import { measureWorkers } from "./workers.ts";

const WORKERS = [1, 2, 4] as const;
const MAP_ITEMS = 100_000;

type Row = readonly [metric: string, value: number, unit: string];
const figure = (...[metric, value, unit]: Row): void => print({ bench: "scale", system: "auterity", metric, value, unit });

const PARTS: Record<string, () => Promise<void>> = {
  workers: moreWorkers,
  steps: () => withDatabase(async (url) => figure("cost_ratio_10_to_10000_steps", await measureLongRun(url), "ratio")),
  map: () => withDatabase(largeMap),
  rows: () => withDatabase(async (url) => figure("cost_ratio_5m_rows", await measureFullJournal(url), "ratio")),
};

/** What becomes of the engine's speed and memory as an installation, a run or a journal grows. `part` is one of them; all without it. */
export async function scale(part: string | undefined): Promise<void> {
  // Without which the rest says little: everything that is measured shares them.
  figure("cores", availableParallelism(), "cores");
  const parts = part === undefined ? Object.values(PARTS) : [PARTS[part]];
  for (const measure of parts) {
    if (!measure) throw new Error(`Expected one of ${Object.keys(PARTS).join(", ")}; got ${part}.`);
    await measure();
  }
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

async function largeMap(url: string): Promise<void> {
  const { grownBy, msPerItem, wrong } = await measureMap(url, MAP_ITEMS);
  if (wrong > 0) throw new Error(`${wrong} results of the map are missing or in the wrong place.`);
  figure("map_100k_memory_mb", grownBy, "MiB");
  figure("map_100k_ms_per_item", msPerItem, "ms");
}

async function withDatabase(measure: (url: string) => Promise<void>): Promise<void> {
  const postgres = await throwAwayPostgres();
  try {
    await measure(await postgres.createDatabase("scale"));
  } finally {
    await postgres.stop();
  }
}

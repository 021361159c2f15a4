import { availableParallelism, loadavg } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";

/** What must go on working whatever happens beside it: each is asked again as soon as it has answered. */
export type Asked = Readonly<Record<string, { ask: () => Promise<unknown>; p99Ms: number }>>;

/** Promised of one answer that needs nobody else. */
export const TURN_P99_MS = 250;
/** A call of a tool goes from hand to hand: client, platform, database, the server's process, and back. */
export const CALL_P99_MS = 4 * TURN_P99_MS;
/** On a loaded machine all takes longer, also with nothing going on: an attack may make it so many times longer and no more. */
const FACTOR = 10;
/** How many want each core of this machine, whoever they are. What has a core for itself is promised its time; others wait. */
const load = (): number => Math.max(1, (loadavg()[0] ?? 1) / availableParallelism());
const CALIBRATION_MS = 1_000;
const EVERY_MS = 10;

type Samples = Record<string, number[]>;

/** One answer in a hundred may take longer, and of fewer one: but not longer than so many times as much. */
const SLOWEST = 4;

/**
 * Measures first how long the answers take while nothing happens. What it returns runs an attack and fails when an answer is
 * wrong meanwhile, or when the p99 of the answers is beyond what is promised, as often as others wanted the machine then, and
 * beyond `FACTOR` times what it was then.
 */
export async function liveness(asked: Asked): Promise<<T>(attack: () => Promise<T>) => Promise<T>> {
  const others = load();
  const idle = (await sampled(asked, () => pause(CALIBRATION_MS))).samples;
  return async (attack) => {
    const { outcome, samples } = await sampled(asked, attack);
    for (const [name, { p99Ms }] of Object.entries(asked)) {
      const [durations, calm] = [samples[name] ?? [], p99(idle[name] ?? [])];
      const bound = Math.max(p99Ms * others, FACTOR * calm);
      const said = `milliseconds of ${durations.length} answers of ${name}, ${calm.toFixed(1)} when nothing happened and ${others.toFixed(1)} wanted a core`;
      expect(p99(durations), `p99 in ${said}`).toBeLessThan(bound);
      expect(Math.max(...durations), `the slowest in ${said}`).toBeLessThan(SLOWEST * bound);
    }
    return outcome;
  };
}

async function sampled<T>(asked: Asked, act: () => Promise<T>): Promise<{ outcome: T; samples: Samples }> {
  const samples: Samples = {};
  let isOver = false;
  const askAgain = async (name: string, ask: () => Promise<unknown>): Promise<void> => {
    const durations: number[] = (samples[name] = []);
    // Once at least, also beside what is over at once.
    do {
      const began = performance.now();
      await ask();
      durations.push(performance.now() - began);
      await pause(EVERY_MS);
    } while (!isOver);
  };
  const asking = Promise.all(Object.entries(asked).map(([name, { ask }]) => askAgain(name, ask)));
  const acting = act().finally(() => (isOver = true));
  const [outcome] = await Promise.all([acting, asking]);
  return { outcome, samples };
}

function p99(durations: readonly number[]): number {
  const sorted = durations.toSorted((a, b) => a - b);
  return sorted.at(-1 - Math.ceil(sorted.length / 100)) ?? 0;
}

export type Call = () => Promise<unknown>;

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** One call after the other; the time of each in ms. */
async function oneByOne(call: Call, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await call();
    times.push(performance.now() - began);
  }
  return times;
}

/** Calls per second while so many are under way: each caller makes its next call when its last one has been answered. */
export async function perSecond(callers: readonly Call[], total: number): Promise<number> {
  let left = total;
  const began = performance.now();
  await Promise.all(
    callers.map(async (call) => {
      while (left > 0) {
        left -= 1;
        await call();
      }
    }),
  );
  return total / ((performance.now() - began) / 1_000);
}

type Rounds = { rounds: number; count: number };

/**
 * The median time of a call to each system, in ms. The systems take turns, round after round, so that whatever else the machine
 * does meets all of them alike.
 */
export async function latencies<S extends string>(
  systems: Readonly<Record<S, Call>>,
  { rounds, count }: Rounds,
): Promise<Record<S, number>> {
  return inTurns(systems, rounds, async (call) => median(await oneByOne(call, count)));
}

/** The same of any figure: the median of its rounds; a first round warms up. */
export async function inTurns<S extends string, T>(
  systems: Readonly<Record<S, T>>,
  rounds: number,
  figure: (system: T) => Promise<number>,
): Promise<Record<S, number>> {
  const names = Object.keys(systems) as S[];
  const found = new Map<S, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const value = await figure(systems[name]);
      if (round > 0) found.get(name)?.push(value);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(found.get(name) ?? [])])) as Record<S, number>;
}

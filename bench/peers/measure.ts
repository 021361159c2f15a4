/** Keeps `runs` workflows under way until `total` have ended: a new one begins when one ends. */
async function keepGoing(start: () => Promise<unknown>, { runs, total }: { runs: number; total: number }): Promise<void> {
  let left = total;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await start();
    }
  };
  await Promise.all(Array.from({ length: Math.min(runs, total) }, worker));
}

type Load = { runs: number; steps: number };

/** Durable steps per second with `runs` workflows of `steps` steps under way at once, after a warm-up. */
async function stepsPerSecond(start: () => Promise<unknown>, { runs, steps }: Load): Promise<number> {
  const total = Math.max(300, runs * 3);
  await keepGoing(start, { runs, total: Math.ceil(total / 10) });
  const began = performance.now();
  await keepGoing(start, { runs, total });
  return (total * steps) / ((performance.now() - began) / 1000);
}

/** The median over `count` runs, one after another, of the time one step adds, in ms. */
async function msPerStep(start: () => Promise<unknown>, { count, steps }: { count: number; steps: number }): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await start();
    times.push((performance.now() - began) / steps);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? Number.NaN;
}

/** Each peer is a process of its own: `node <peer>.ts <database url> <runs> <steps>` prints one JSON line. */
export async function report(system: string, start: () => Promise<unknown>): Promise<void> {
  const [runs = 50, steps = 10] = process.argv.slice(3).map(Number);
  const perSecond = await stepsPerSecond(start, { runs, steps });
  const single = await msPerStep(start, { count: 15, steps });
  process.stdout.write(`${JSON.stringify({ system, runs, stepsPerSecond: perSecond, msPerStep: single })}\n`);
}

export const databaseUrl = process.argv[2] ?? "";
export const stepCount = Number(process.argv[4] ?? 10);

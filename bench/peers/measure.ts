/** Runs `start` for `runs` workflows of `steps` steps at once, after a short warm-up, and returns durable steps per second. */
export async function stepsPerSecond(start: () => Promise<unknown>, { runs, steps }: { runs: number; steps: number }): Promise<number> {
  await Promise.all(Array.from({ length: Math.min(runs, 20) }, start));
  const began = performance.now();
  await Promise.all(Array.from({ length: runs }, start));
  return (runs * steps) / ((performance.now() - began) / 1000);
}

/** The median over `count` runs, one after another, of the time one step adds, in ms. */
export async function msPerStep(start: () => Promise<unknown>, { count, steps }: { count: number; steps: number }): Promise<number> {
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

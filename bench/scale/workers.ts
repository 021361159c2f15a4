import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "#contract/common.ts";
import { Machines } from "#test/support/machines.ts";

/** Long runs, so that what is measured is the driving of steps and not the starting of runs. */
const STEPS = 100;
const RUNS = 600;
const WARM_UP_RUNS = 60;
const STARTS_AT_ONCE = 20;

function chain(): Json {
  const ids = Array.from({ length: STEPS }, (_, i) => `step${i}`);
  const before = (i: number): string => (i === 0 ? "input.value" : `steps.step${i - 1}`);
  const nodes = ids.map((id, i) => ({ id, type: "transform", data: { output: `=${before(i)} + 1` } }));
  return {
    version: 2,
    name: "Chain",
    nodes: [{ id: "start", type: "start" }, ...nodes, { id: "end", type: "end", data: { output: `=steps.step${STEPS - 1}` } }],
    edges: [...ids, "end"].map((target, i) => ({ id: `to_${target}`, source: i === 0 ? "start" : `step${i - 1}`, target })),
  };
}

/** Durable steps per second of so many worker processes: from the first start over HTTP to the last run's end. */
export async function measureWorkers(workers: number): Promise<number> {
  const machines = await Machines.start({ workers, durable: true, env: { NODE_ENV: "production", AUTERITY_LOG_LEVEL: "error" } });
  try {
    const { id } = await machines.client.createWorkflow({ body: { name: "Chain", definition: chain() } });
    await carryOut(machines, id, WARM_UP_RUNS);
    const began = performance.now();
    await carryOut(machines, id, RUNS);
    return (RUNS * STEPS) / ((performance.now() - began) / 1_000);
  } finally {
    await machines.dispose();
  }
}

async function carryOut(machines: Machines, workflowId: string, runs: number): Promise<void> {
  const { client } = machines;
  const before = await unfinished(machines);
  if (before !== 0) throw new Error(`${before} runs are not over before the next are started.`);
  let left = runs;
  const starter = async (): Promise<void> => {
    for (; left > 0;) {
      left -= 1;
      await client.startRun({ params: { id: workflowId }, body: { input: { value: 0 } } });
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
  while ((await unfinished(machines)) > 0) await pause(20);
}

async function unfinished(machines: Machines): Promise<number> {
  const [row] = await machines.query<{ count: number }>("select count(*)::int as count from runs where finished_at is null");
  return row?.count ?? 0;
}

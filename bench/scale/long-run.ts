import { setTimeout as pause } from "node:timers/promises";
import type { DefinitionInput } from "#contract/definition.ts";
import { connect } from "#server/postgres/connection.ts";
import { openPlatform, saveDefinition, type BenchPlatform } from "../engine/platform.ts";

const ROUNDS = 10_000;
/** Of the first and of the last so many steps, the best stretch counts: what else the machine does is not what is measured. */
const COMPARED = 2_000;
const STRETCH = 200;
const FIRST = 10;
const REPEATS = 3;

/** One after another: a loop whose every round is a step. */
const loop: DefinitionInput = {
  version: 2,
  name: "Long",
  nodes: [
    { id: "start", type: "start" },
    { id: "loop", type: "loop", data: { while: `=index < ${ROUNDS}`, max: ROUNDS } },
    { id: "step", type: "transform", parentId: "loop", data: { output: "=index" } },
    { id: "end", type: "end", data: { output: "=steps.loop.last" } },
  ],
  edges: [
    { id: "a", source: "start", target: "loop" },
    { id: "b", source: "loop", target: "end" },
  ],
};

/** What a step costs at the end of a run of 10,000, as a multiple of what it costs from the tenth on. The median of three runs. */
export async function measureLongRun(url: string): Promise<number> {
  const platform = await openPlatform(url);
  const sql = await connect(url);
  try {
    const workflowId = await saveDefinition(platform, loop);
    const ratios: number[] = [];
    for (let i = 0; i < REPEATS; i += 1) {
      const id = await carryOut(platform, workflowId);
      const { rows } = await sql.query<{ ms: number }>(
        `select extract(epoch from at)::float8 * 1000 as ms from run_journal where run_id = $1 and node_id = 'step' order by seq`,
        [id],
      );
      const times = rows.map(({ ms }) => ms);
      ratios.push(bestStretch(times.slice(-COMPARED)) / bestStretch(times.slice(FIRST, FIRST + COMPARED)));
    }
    return ratios.toSorted((a, b) => a - b)[Math.floor(REPEATS / 2)] ?? Number.NaN;
  } finally {
    await sql.end();
    await platform.close();
  }
}

async function carryOut({ runs, live, tenantId }: BenchPlatform, workflowId: string): Promise<string> {
  const ended = new Set<string>();
  const stop = live.subscribe(tenantId, (event) => {
    if (event.type === "run" && event.status === "succeeded") ended.add(event.runId);
  });
  const { id } = await runs.startRun({ tenantId, initiator: "system:bench", workflowId, input: {} });
  while (!ended.has(id)) await pause(50);
  stop();
  return id;
}

/** ms of the fastest `STRETCH` steps in a row. */
function bestStretch(times: readonly number[]): number {
  const stretches = times.slice(STRETCH).map((time, i) => time - (times[i] ?? Number.NaN));
  return Math.min(...stretches);
}

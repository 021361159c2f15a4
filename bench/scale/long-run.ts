import { setTimeout as pause } from "node:timers/promises";
import type { DefinitionInput } from "#contract/definition.ts";
import { connect } from "#server/postgres/connection.ts";
import { openPlatform, saveDefinition } from "../engine/platform.ts";

const ROUNDS = 10_000;
/** Steps that are compared: so many from the tenth on, and as many at the end. */
const COMPARED = 1_000;
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
    const { runs, tenantId } = platform;
    const ratios: number[] = [];
    for (let i = 0; i < REPEATS; i += 1) {
      const { id } = await runs.startRun({ tenantId, initiator: "system:bench", workflowId, input: {} });
      while ((await runs.getRun(tenantId, id)).status !== "succeeded") await pause(200);
      const at = async (step: number): Promise<number> => {
        const { rows } = await sql.query<{ ms: number }>(
          `select extract(epoch from at)::float8 * 1000 as ms from run_journal where run_id = $1 and scope = $2 and kind = 'step_succeeded'`,
          [id, `/loop[${step}]`],
        );
        return rows[0]?.ms ?? Number.NaN;
      };
      const early = (await at(FIRST + COMPARED)) - (await at(FIRST));
      const late = (await at(ROUNDS - 1)) - (await at(ROUNDS - 1 - COMPARED));
      ratios.push(late / early);
    }
    return ratios.toSorted((a, b) => a - b)[Math.floor(REPEATS / 2)] ?? Number.NaN;
  } finally {
    await sql.end();
    await platform.close();
  }
}

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Arena, type FaultWorker } from "#test/support/faults/arena.ts";
import { readLedger } from "#test/support/faults/evidence.ts";
import { saveWorkload } from "#test/support/faults/workload.ts";
import { random, SEEDS } from "#test/support/random.ts";

const IS_FULL = SEEDS.length > 1;
const RUNS = IS_FULL ? 60 : 24;
const RECOVERY_MS = 10_000;

describe.each(SEEDS)("workers that die, hang and come back, seed %s", (seed) => {
  const next = random(seed);
  const any = (most: number): number => Math.floor(next() * most);
  let arena: Arena;
  let workflows: string[] = [];
  beforeAll(async () => {
    arena = await Arena.start(seed, ["all", "all", "all"]);
    workflows = await saveWorkload(arena);
  });
  afterAll(() => arena.close());

  const workers = (): [FaultWorker, FaultWorker, FaultWorker] => {
    const [a, b, c] = arena.workers;
    if (!a || !b || !c) throw new Error("three workers were started");
    return [a, b, c];
  };
  async function startRuns(count: number, delayMs: number): Promise<string[]> {
    const all = workers();
    return Promise.all(
      Array.from({ length: count }, (_, i) => {
        const workflowId = workflows[i % workflows.length] ?? "";
        return arena.startRun({ workflowId, input: { delayMs: 1 + any(delayMs) }, by: all[any(3)] });
      }),
    );
  }

  test("F03 F06: one is killed, one is stopped for longer than its lease and goes on as a zombie; a third takes over both within 10 s", async () => {
    const [killed, frozen] = workers();
    const ids = await startRuns(RUNS, 400);
    await pause(300 + any(400));
    const at = Date.now();
    arena.history.mark("kill and freeze");
    frozen.freeze();
    await killed.kill();
    const takenOver = await takeovers(ids, at);
    arena.history.mark(`${takenOver.length} runs taken over`);
    expect(takenOver.length, "runs that were under way").toBeGreaterThan(0);
    expect(Math.max(...takenOver), "time to the last takeover").toBeLessThan(RECOVERY_MS);
    frozen.thaw();
    await killed.start();
    await arena.settle(30_000);
    await arena.verdict({ overBy: Date.now() });
  });

  /** For every run that was held at that time and is held by another now: after how many ms. Waits until none is left behind. */
  async function takeovers(ids: readonly string[], at: number): Promise<number[]> {
    for (;;) {
      const { rows } = await arena.superuser.query<{ left: number }>(
        `select count(*)::int as left from runs r where id = any($1::uuid[]) and owner is not null and lease_until < to_timestamp($2 / 1000.0) + interval '8.5 s'
           and not exists (select from run_journal j where j.run_id = r.id and j.at > to_timestamp($2 / 1000.0) + interval '1 s')`,
        [ids, at],
      );
      if (rows[0]?.left === 0 || Date.now() - at > 2 * RECOVERY_MS) break;
      await pause(100);
    }
    const { rows } = await arena.superuser.query<{ ms: number }>(
      `select (extract(epoch from min(at)) * 1000 - $2)::float8 as ms from run_journal
       where run_id = any($1::uuid[]) and kind = 'run_claimed' and epoch > 1 and at > to_timestamp($2 / 1000.0) + interval '5 s' group by run_id`,
      [ids, at],
    );
    return rows.map(({ ms }) => ms);
  }

  test("F05: leases run out under the holders' hands: two live owners, many claimants, one outcome", async () => {
    await startRuns(RUNS, 150);
    for (let round = 0; round < (IS_FULL ? 12 : 5); round += 1) {
      await pause(150 + any(300));
      arena.history.mark(`${await arena.expireLeases()} leases run out`);
    }
    await arena.settle(30_000);
    const { rows } = await arena.verdict({ overBy: Date.now() });
    expect(Math.max(...rows.runs.map(({ epoch }) => epoch)), "takeovers of one run").toBeGreaterThan(1);
    expect(readLedger(arena.ledgerFile).length).toBeGreaterThan(0);
  });
});

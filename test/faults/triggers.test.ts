import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { readConfig } from "#server/main.ts";
import { connect } from "#server/postgres/connection.ts";
import { loadOrCreateMasterKey } from "#server/secrets/index.ts";
import { runningOwnerUrl } from "#server/storage.ts";
import { eventually } from "#test/support/eventually.ts";
import { PlatformProcess } from "#test/support/platform.ts";
import { random, SEEDS } from "#test/support/random.ts";

const KILLS = 6;
const SCHEDULES = 20;

/** Slots of every second, and listeners of the runs that they start, in a process that is killed at random points. */
describe.each(SEEDS)("triggers under kill -9, seed %s", (seed) => {
  const platform = new PlatformProcess();
  const next = random(seed);
  let schedules: string[] = [];
  let listener = "";
  let sql: pg.Client;

  beforeAll(async () => {
    await platform.start();
    const { client } = platform;
    const save = (name: string) => client.createWorkflow({ body: { name, definition: echo(name) } });
    const [ticking, after] = [await save("Ticking"), await save("After")];
    const action = { kind: "start_workflow", workflowId: after.id } as const;
    listener = (await client.createRunListener({ body: { workflowId: ticking.id, on: ["succeeded"], action } })).id;
    const body = { workflowId: ticking.id, cron: "* * * * * *", overlap: "allow", catchUp: "all" } as const;
    for (let i = 0; i < SCHEDULES; i += 1) schedules.push((await client.createSchedule({ body })).id);
  });
  afterAll(async () => {
    await sql?.end().catch(() => undefined);
    await platform.dispose();
  });

  test(`after ${KILLS} kills each slot has one run, and each end one run that follows it`, async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep(200 + next() * 1_500);
      await platform.end("SIGKILL");
      await platform.start();
    }
    const { client } = platform;
    const config = readConfig({ AUTERITY_DATA_DIR: platform.dataDir });
    sql = await connect(await runningOwnerUrl({ config, masterKey: await loadOrCreateMasterKey(platform.dataDir) }));
    await eventually(
      () => count("select count(*) from schedule_slots where outcome = 'due' and is_late"),
      (late) => late === 0,
    );
    for (const id of schedules) await client.patchSchedule({ params: { id }, body: { enabled: false } });
    const open = await eventually(
      () =>
        count(
          "(select count(*) from schedule_slots where outcome = 'due') + (select count(*) from runs where finished_at is null) + (select count(*) from listener_deliveries where outcome = 'due')",
        ),
      (found) => found === 0,
    );
    expect(open).toBe(0);

    expect(await gaps()).toEqual([]);
    const fired = await count("(select count(*) from schedule_slots where outcome = 'fired')");
    expect(fired).toBeGreaterThan(SCHEDULES * KILLS);
    expect(await count("(select count(distinct run_id) from schedule_slots where outcome = 'fired')")).toBe(fired);
    expect(await count("(select count(*) from runs where initiator like 'schedule:%')")).toBe(fired);
    expect(await count("(select count(*) from schedule_slots s join runs r on r.id = s.run_id where r.created_at < s.slot)")).toBe(0);

    expect(await count(`(select count(*) from listener_deliveries where listener_id = '${listener}' and outcome = 'done')`)).toBe(fired);
    expect(await count(`(select count(distinct started_run_id) from listener_deliveries where listener_id = '${listener}')`)).toBe(fired);
    expect(await count(`(select count(*) from runs where initiator = 'listener:${listener}' and status = 'succeeded')`)).toBe(fired);
  });

  async function count(of: string): Promise<number> {
    const { rows } = await sql.query<{ count: number }>(`select (${of})::int as count`);
    return rows[0]?.count ?? -1;
  }

  /** Seconds between a schedule's first and last slot that no row stands for, or more than one does. */
  async function gaps(): Promise<object[]> {
    const { rows } = await sql.query(`
      with covered as (
        select schedule_id, generate_series(slot, coalesce(until, slot), interval '1 s') as second from schedule_slots where not is_manual
      ), expected as (
        select schedule_id, generate_series(min(second), max(second), interval '1 s') as second from covered group by schedule_id
      )
      select e.schedule_id, e.second, count(c.second)::int as rows from expected e left join covered c using (schedule_id, second)
      group by e.schedule_id, e.second having count(c.second) <> 1`);
    return rows;
  }
});

const echo = (name: string): Json => ({
  version: 2,
  name,
  nodes: [
    { id: "start", type: "start" },
    { id: "end", type: "end", data: { output: "=input" } },
  ],
  edges: [{ id: "e", source: "start", target: "end" }],
});

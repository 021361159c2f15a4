import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { signalRun, type Run } from "#contract/runs.ts";
import type { Log } from "#server/kernel/log.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
import {
  createPlatform,
  definition,
  endNode,
  isOver,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";
import { storeSnapshot } from "./store/snapshots.pg.ts";
import { snapshotDueAfter } from "./worker/snapshots.ts";

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const processes = runProcesses(() => platform);
const warnings: string[] = [];
const log: Log = { debug: () => {}, info: () => {}, warn: (text) => void warnings.push(text), error: () => {}, with: () => log };
function process(): Promise<Runs> {
  warnings.length = 0;
  return processes.started(new Outside(), { log });
}

/** Rounds of work, then a wait for somebody, then the result. */
const waiting = (rounds: number, more: Partial<DefinitionInput> = {}): DefinitionInput =>
  definition(
    [
      { id: "work", type: "loop", data: { while: `=index < ${rounds}`, max: 10_000 } },
      transform("count", "=$string(index) & '-kept'", { parentId: "work" }),
      { id: "wait", type: "wait", data: { signal: "go" } },
      tool("call"),
      endNode("=steps.work.last"),
    ],
    ["start>work", "work>wait", "wait>call", "call>end"],
    more,
  );

const when = (runs: Runs, { id }: { id: string }, isReady: (run: Run) => boolean): Promise<Run> =>
  runWhen(runs, { id, tenantId: db.tenantId }, isReady);
type Row = { seq: number; v: number; state: Buffer };
const snapshotsOf = async ({ id }: { id: string }): Promise<Row[]> =>
  (await db.ownerPool.query<Row>("select seq, v, state from run_snapshots where run_id = $1", [id])).rows;

/** A run that waits, parked by a process that is gone, with its one snapshot. */
async function parked(of: DefinitionInput): Promise<Run> {
  const runs = await process();
  const run = await startOf(runs, db.tenantId, await saveWorkflow(platform, of))();
  await when(runs, run, ({ status }) => status === "waiting");
  while ((await snapshotsOf(run)).length === 0) await pause(5);
  await processes.stop(runs);
  return run;
}

async function goOn(run: Run): Promise<Run> {
  const runs = await process();
  const payload: Json = null;
  await callRoute(runs.routes, signalRun, { caller: ownerOf(db.tenantId), params: { id: run.id, signal: "go" }, body: { payload } });
  return when(runs, run, isOver);
}

describe("snapshots", () => {
  test("a parked run goes on from its snapshot without the events before it, which leaves with its end", async () => {
    const run = await parked(waiting(150));
    const [snapshot] = await snapshotsOf(run);
    await db.ownerPool.query("delete from run_journal where run_id = $1 and seq < $2", [run.id, snapshot?.seq]);
    expect(await goOn(run)).toMatchObject({ status: "succeeded", output: "149-kept" });
    while ((await snapshotsOf(run)).length > 0) await pause(5);
    expect(warnings).toEqual([]);
  });

  test("a long run has one while it runs, and only the newest is kept", async () => {
    const run = await parked(waiting(1_300));
    const kept = await snapshotsOf(run);
    expect(kept).toHaveLength(1);
    expect(kept[0]?.seq).toBeGreaterThan(2_600);
    expect(await goOn(run)).toMatchObject({ status: "succeeded", output: "1299-kept" });
  });

  test.each([
    ["whose bytes were changed", "update run_snapshots set state = overlay(state placing 'x'::bytea from 20) where run_id = $1", true],
    ["that claims to be of another event", "update run_snapshots set seq = seq - 1 where run_id = $1", true],
    ["of another version of the state", "update run_snapshots set v = 0 where run_id = $1", false],
  ])("one %s is not used, and nothing is lost", async (_what, change, isWarned) => {
    const run = await parked(waiting(60));
    await db.ownerPool.query(change, [run.id]);
    expect(await goOn(run)).toMatchObject({ status: "succeeded", output: "59-kept" });
    expect(warnings.some((text) => text.startsWith("a snapshot cannot be used"))).toBe(isWarned);
  });

  test("of a confidential workflow is encrypted", async () => {
    const open = await parked(waiting(60));
    const secret = await parked(waiting(60, { classification: "confidential" }));
    const isReadable = async (run: Run): Promise<boolean> => (await snapshotsOf(run))[0]?.state.includes("59-kept") === true;
    expect([await isReadable(open), await isReadable(secret)]).toEqual([true, false]);
    expect(await goOn(secret)).toMatchObject({ status: "succeeded", output: "59-kept" });
  });

  test("cannot be stored by a worker that has lost the run, nor after its end", async () => {
    const run = await parked(waiting(60));
    const [before] = await snapshotsOf(run);
    const late = { seq: 100_000, v: 1, hash: Buffer.alloc(32), state: Buffer.from("late") };
    await storeSnapshot(db.database, { id: run.id, epoch: 0 }, late);
    expect(await snapshotsOf(run)).toEqual([before]);
    const { rows } = await db.ownerPool.query<{ epoch: number }>("select epoch from runs where id = $1", [run.id]);
    await goOn(run);
    await storeSnapshot(db.database, { id: run.id, epoch: (rows[0]?.epoch ?? 0) + 1 }, late);
    while ((await snapshotsOf(run)).length > 0) await pause(5);
  });

  test("are forgotten with their run", async () => {
    const run = await parked(waiting(60));
    await db.ownerPool.query("update runs set status = 'failed', finished_at = now() - interval '3 days', wake_at = null where id = $1", [
      run.id,
    ]);
    const forget = "select auterity_forget_runs(make_interval(days => 1), 100)";
    await db.database.asWorker((tx) => tx.query(forget));
    expect(await snapshotsOf(run)).toEqual([]);
  });

  test("of a large state come less often", () => {
    expect(snapshotDueAfter(5_000, 10_000)).toBe(6_000);
    expect(snapshotDueAfter(5_000, 8 * 1024 * 1024)).toBe(5_000 + 32 * 1024);
  });
});

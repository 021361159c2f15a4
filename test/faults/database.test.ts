import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { Arena, type FaultWorker } from "#test/support/faults/arena.ts";
import type { RunEvidence } from "#test/support/faults/evidence.ts";
import { enter, end, workflow, saveWorkload } from "#test/support/faults/workload.ts";
import { random, SEEDS } from "#test/support/random.ts";

const IS_FULL = SEEDS.length > 1;
const RUNS = IS_FULL ? 60 : 18;
/** What every start writes, and what every batch of events is called by, in the words of PostgreSQL's protocol. */
const START = /run\.started/;
const BATCH = /\0journal[a-z_]*\0/;
const PARKING = /wait_ms/;

describe.each(SEEDS)("a database that goes away, and answers that are lost, seed %s", (seed) => {
  const next = random(seed);
  const any = (most: number): number => Math.floor(next() * most);
  let arena: Arena;
  let workflows: string[] = [];
  beforeAll(async () => {
    arena = await Arena.start(seed, ["all", "all"]);
    workflows = await saveWorkload(arena);
  });
  // What a case that failed has left must not be the next one's fault.
  beforeEach(() => arena.revive());
  afterAll(() => arena.close());

  const workers = (): [FaultWorker, FaultWorker] => {
    const [a, b] = arena.workers;
    if (!a || !b) throw new Error("two workers were started");
    return [a, b];
  };
  const startOne = (i: number): Promise<string> =>
    arena.startRun({ workflowId: workflows[i % workflows.length] ?? "", input: { delayMs: 1 + any(60) }, by: workers()[any(2)] });
  const startRuns = (count: number): Promise<string[]> => Promise.all(Array.from({ length: count }, (_, i) => startOne(i)));
  /** Runs that have ended otherwise than their workflow alone would have it. */
  const harmed = (answers: readonly RunEvidence[]): string[] =>
    answers.filter(({ run }) => run.status !== (run.workflowName.startsWith("Undone") ? "failed" : "succeeded")).map(({ run }) => run.id);
  const over = async (): Promise<void> => {
    await arena.settle(30_000);
    await arena.verdict({ overBy: Date.now() });
  };

  test("F14: the answer to a COMMIT is lost, of batches of events and of starts: nothing is stored twice, nothing is lost", async () => {
    const [a, b] = workers();
    for (let round = 0; round < (IS_FULL ? 12 : 4); round += 1) {
      const place = round % 2 === 0 ? ("answer" as const) : ("commit" as const);
      const batch = (round % 4 < 2 ? a : b).database.trap(BATCH, place);
      const start = a.database.trap(START, place);
      const starting = startRuns(RUNS / 3);
      arena.startRun({ workflowId: workflows[0] ?? "", input: { delayMs: 5 }, by: a }).catch(() => {});
      // Each at once: behind a start that is held back, the next ones wait, and so would the batch.
      await Promise.all([batch, start].map(async (caught) => (await caught).reset()));
      arena.history.mark(`lost: ${place}`);
      await starting;
    }
    await over();
  });

  test("F01: killed after the COMMIT of a start and before its answer: the caller's next try finds the same run", async () => {
    const [a, b] = workers();
    const key = newId();
    const call = { params: { id: workflows[0] ?? "" }, headers: { "idempotency-key": key }, body: { input: { delayMs: 5 } } };
    const stored = async (): Promise<{ run_id: string }[]> =>
      (await arena.superuser.query<{ run_id: string }>("select run_id from idempotency_keys where key = $1", [key])).rows;
    let next = a.database.trap(START, "answer");
    const first = a.client.startRun(call).catch((error: unknown) => String(error));
    // A start that finds the audit trail longer than it had thought stores nothing, and is made again.
    for (let caught = await next; (await stored()).length === 0; caught = await next) {
      next = a.database.trap(START, "answer");
      caught.release();
    }
    await a.kill();
    expect(await first).toMatch(/fetch failed/);
    const rows = await stored();
    const found = await b.client.startRun(call);
    expect(rows).toEqual([{ run_id: found.id }]);
    expect((await b.client.startRun(call)).id).toBe(found.id);
    await a.start();
    arena.accept(found.id);
    await arena.expireLeases([found.id]);
    await over();
  });

  test("F02: killed before the COMMIT of a start: nothing is to be seen of it, and the next try makes one", async () => {
    const [a, b] = workers();
    const key = newId();
    const call = { params: { id: workflows[0] ?? "" }, headers: { "idempotency-key": key }, body: { input: { delayMs: 5 } } };
    const caught = a.database.trap(START, "commit");
    a.client.startRun(call).catch(() => {});
    await caught;
    await a.kill();
    const { rows } = await arena.superuser.query("select run_id from idempotency_keys where key = $1", [key]);
    expect(rows).toEqual([]);
    arena.accept((await b.client.startRun(call)).id);
    await a.start();
    await over();
  });

  test("F13: a row that cannot be stored fails its run alone; the other runs of the batch go on", async () => {
    const unstorable = await arena.saveWorkflow(
      workflow("Unstorable", [enter("fine"), enter("unstorable", { policy: { effect: "none" } }), end()], ["start>fine>unstorable>end"]),
    );
    await arena.superuser.query("alter table run_journal add constraint refused check (node_id is distinct from 'unstorable') not valid");
    const [bad] = await Promise.all([arena.startRun({ workflowId: unstorable, input: { delayMs: 5 } }), startRuns(RUNS)]);
    await arena.settle(30_000);
    await arena.superuser.query("alter table run_journal drop constraint refused");
    const { answers } = await arena.verdict({ overBy: Date.now() });
    expect(answers.get(bad)?.run).toMatchObject({ status: "failed", error: { code: "internal" } });
    expect(harmed([...answers.values()].filter(({ run }) => run.id !== bad))).toEqual([]);
  });

  test("a message that comes in while a run parks is taken in, whoever holds the run", async () => {
    const [a, b] = workers();
    const parking = await arena.saveWorkflow(
      workflow(
        "Parking",
        [
          enter("flaky", {
            after: "fail",
            policy: { effect: "none", retry: { maxAttempts: 3, backoffMs: 3_600_000, on: ["tool_failed"] } },
          }),
          end(),
        ],
        ["start>flaky>end"],
      ),
    );
    const caught = a.database.trap(PARKING, "statement");
    const id = await arena.startRun({ workflowId: parking, input: { delayMs: 5 }, by: a });
    const parkStatement = await caught;
    await b.client.cancelRun({ params: { id } });
    parkStatement.release();
    await arena.settle(5_000);
    const { answers } = await arena.verdict({ overBy: Date.now() });
    expect(answers.get(id)?.run.status).toBe("cancelled");
  });

  test("F11: every connection is ended, again and again", async () => {
    const starting = startRuns(RUNS);
    let ended = 0;
    for (let round = 0; round < (IS_FULL ? 100 : 15); round += 1) {
      ended += await arena.terminateConnections();
      await pause(IS_FULL ? 200 : 100);
    }
    arena.history.mark(`${ended} connections ended`);
    expect(ended).toBeGreaterThan(15);
    await starting;
    await over();
  });

  test("F09 F10: PostgreSQL is restarted and killed under load; what was acknowledged is there", async () => {
    const outages = [];
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const starting = startRuns(RUNS / 2);
      await pause(100 + any(300));
      outages.push(await arena.restartPostgres(signal));
      arena.history.mark(`PostgreSQL is back after ${signal}`);
      await starting;
    }
    await arena.settle(30_000);
    await arena.verdict({ overBy: Date.now() });
    expect(outages).toHaveLength(2);
  });

  test("F13: a database that takes no writes: no start is acknowledged, not ready within 2 s, and all goes on after it", async () => {
    const [a] = workers();
    await startRuns(RUNS);
    await arena.setReadOnly(true);
    const from = Date.now();
    await expect.poll(() => fetch(`${a.platform.url}/readyz`).then(({ status }) => status), { timeout: 2_000 }).toBe(503);
    const start = a.client.startRun({ params: { id: workflows[0] ?? "" }, body: { input: { delayMs: 1 } } });
    await expect(start).rejects.toMatchObject({ status: 503, code: "database_unavailable" });
    const later = startRuns(4);
    await pause(1_500);
    const to = Date.now();
    await arena.setReadOnly(false);
    await later;
    await arena.settle(30_000);
    const { rows, answers } = await arena.verdict({ overBy: Date.now(), outages: [{ from, to }] });
    expect(harmed([...answers.values()]), "an outage is no fault of a run").toEqual([]);
    expect(
      rows.journal.filter(({ kind }) => kind === "step_parked"),
      "nobody died, so nothing is in doubt",
    ).toEqual([]);
  });

  test("a worker that is cut off from the database loses its runs to another, and writes nothing when it is back", async () => {
    const [a, b] = workers();
    const ids = await Promise.all(
      Array.from({ length: 8 }, (_, i) => arena.startRun({ workflowId: workflows[i % 6] ?? "", input: { delayMs: 400 }, by: a })),
    );
    await pause(any(400));
    a.isAway = true;
    a.database.mode = "blackhole";
    arena.history.mark("cut off");
    await arena.expireLeases(ids);
    await arena.settle(30_000);
    a.database.mode = "pass";
    a.database.reset();
    a.isAway = false;
    await pause(1_000);
    const { rows } = await arena.verdict({ overBy: Date.now() });
    expect(rows.runs.every(({ status }) => status === "succeeded")).toBe(true);
    expect(b.database.connections).toBeGreaterThan(0);
  });
});

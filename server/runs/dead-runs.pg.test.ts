import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { requeueRun } from "#contract/run-again.ts";
import { cancelRun, listRuns, patchRunContext, resumeRun, startRun, type Run } from "#contract/runs.ts";
import type { RouteSpec } from "#contract/route.ts";
import { AppError } from "#server/kernel/errors.ts";
import { newId } from "#server/kernel/ids.ts";
import type { Database } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";
import { DEFAULT_SETTINGS } from "./worker/settings.ts";

let db: TestDatabase;
let platform: Platform;
let api: Runs;
const processes: Runs[] = [];
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  api = createProcess(platform, new Outside(), { drives: false });
  await api.start();
});
afterEach(async () => {
  for (const runs of processes.splice(0)) await runs.stop();
});
afterAll(async () => {
  await api.stop();
  await db.close();
});

const never = (): Promise<Json> => new Promise(() => {});
/** Without effect, so that it is simply called again. */
const one = (id: string) => definition([tool(id, { effect: "none" }), endNode(`=steps.${id}`)], [`start>${id}`, `${id}>end`]);

/** A process that is dead, once it is told so: it can reach nothing any more, and nobody keeps its leases. */
class Mortal {
  readonly id = newId();
  isDead = false;
  readonly runs: Runs;

  constructor(outside: Outside, options: Parameters<typeof createProcess>[2] = {}) {
    const through = <T>(fn: () => Promise<T>): Promise<T> =>
      this.isDead ? Promise.reject(new AppError("database_unavailable", "The process is dead.")) : fn();
    const { database } = platform.base;
    const own: Database = {
      asTenant: (tenantId, fn) => through(() => database.asTenant(tenantId, fn)),
      statement: (tenantId, statement) => through(() => database.statement(tenantId, statement)),
      asWorker: (fn) => through(() => database.asWorker(fn)),
    };
    this.runs = createProcess(platform, outside, { ...options, database: own, instanceId: this.id });
    processes.push(this.runs);
  }

  /** What it has begun to write is written first: otherwise that would be progress of the next one. */
  async die(nodeId = "poison"): Promise<void> {
    const isWritten = `select from runs r where r.owner = $1 and exists (select from run_journal j where j.run_id = r.id and j.kind = 'step_started' and j.node_id = $2)`;
    while ((await db.ownerPool.query(isWritten, [this.id, nodeId])).rows.length === 0) await pause(5);
    this.isDead = true;
    await db.ownerPool.query("update runs set lease_until = now() - interval '1 s' where owner = $1", [this.id]);
  }
}

const begin = async (nodeId: string): Promise<Run> => startOf(api, db.tenantId, await saveWorkflow(platform, one(nodeId)))();
const when = (run: Run, isReady: (run: Run) => boolean): Promise<Run> => runWhen(api, { id: run.id, tenantId: db.tenantId }, isReady);
const ask = (route: RouteSpec, run: Run, body?: object) =>
  callRoute(api.routes, route, { caller: ownerOf(db.tenantId), params: { id: run.id }, ...(body && { body }) });
const isDead = ({ dead }: Run): boolean => dead !== undefined;

/** Processes come and die, each as soon as the step `poison` is called in it, until this holds. */
async function generations(outside: Outside, isEnough: () => Promise<boolean>): Promise<number> {
  for (let count = 0; ; count += 1) {
    const calls = outside.callsOf("poison").length;
    const process = new Mortal(outside, { settings: { maxLiveRuns: 1_000 } });
    await process.runs.start();
    while (outside.callsOf("poison").length === calls) {
      if (await isEnough()) return count;
      await pause(10);
    }
    await process.die();
  }
}

describe("a run that kills its processes", () => {
  const poisoned = async (): Promise<Run> => {
    const outside = new Outside();
    outside.answer = never;
    const run = await begin("poison");
    await generations(outside, async () => isDead(await api.getRun(db.tenantId, run.id)));
    expect(outside.callsOf("poison")).toHaveLength(DEFAULT_SETTINGS.maxCrashes);
    return when(run, isDead);
  };

  test(`is dead after ${DEFAULT_SETTINGS.maxCrashes} of them, with the reason, and stays so until it is requeued`, async () => {
    expect(DEFAULT_SETTINGS.maxCrashes).toBe(5);
    const run = await poisoned();
    expect(run).toMatchObject({ status: "paused", dead: { crashes: 5, reason: expect.stringMatching(/died 5 times in a row.*\/poison/) } });
    const list = (dead: string) => callRoute(api.routes, listRuns, { caller: ownerOf(db.tenantId), query: { dead } });
    expect((await list("true")).items).toMatchObject([{ id: run.id, dead: { crashes: 5 } }]);
    expect((await list("false")).items.map(({ id }) => id)).not.toContain(run.id);
    const healthy = new Outside();
    const worker = createProcess(platform, healthy);
    processes.push(worker);
    await worker.start();
    for (const [route, body] of [[resumeRun], [patchRunContext, { set: { a: 1 } }]] as const)
      await expect(ask(route, run, body), route.name).rejects.toMatchObject({ code: "run_dead" });
    await pause(200);
    expect(healthy.calls).toHaveLength(0);
    expect(await ask(requeueRun, run)).not.toHaveProperty("dead");
    expect((await when(run, isOver)).status).toBe("succeeded");
    await expect(ask(requeueRun, run)).rejects.toMatchObject({ code: "run_transition_invalid" });
    const { rows } = await db.ownerPool.query("select actor from audit_log where action = 'run.requeued' and target = $1", [
      `run:${run.id}`,
    ]);
    expect(rows).toEqual([{ actor: "user:owner" }]);
  });

  test("can be cancelled without being called once more", async () => {
    const run = await poisoned();
    await ask(cancelRun, run, {});
    const outside = new Outside();
    const worker = createProcess(platform, outside);
    processes.push(worker);
    await worker.start();
    expect((await when(run, isOver)).status).toBe("cancelled");
    expect(outside.calls).toHaveLength(0);
  });

  test("is another tenant's secret: there is nothing to requeue", async () => {
    const run = await begin("quiet");
    const stranger = ownerOf(await db.secondTenant());
    await expect(callRoute(api.routes, requeueRun, { caller: stranger, params: { id: run.id } })).rejects.toMatchObject({
      code: "not_found",
    });
    await ask(cancelRun, run, { force: true });
  });

  test("takes none of its neighbours with it, although they die with it time and again", async () => {
    const outside = new Outside();
    let living: Mortal | undefined;
    // So long that a process with the poison in it never gets there.
    outside.answer = async ({ step }) => {
      const mine = living;
      if (step.nodeId === "poison") return never();
      await pause(150);
      return mine?.isDead === false ? "done" : never();
    };
    const workflowId = await saveWorkflow(platform, one("neighbour"));
    const neighbours = await Promise.all(Array.from({ length: 40 }, () => startOf(api, db.tenantId, workflowId)()));
    const run = await begin("poison");
    for (;;) {
      const calls = outside.callsOf("poison").length;
      living = new Mortal(outside);
      await living.runs.start();
      while (outside.callsOf("poison").length === calls && !isDead(await api.getRun(db.tenantId, run.id))) await pause(10);
      if (outside.callsOf("poison").length === calls) break;
      await living.die();
    }
    const ends = await Promise.all(neighbours.map((neighbour) => when(neighbour, (now) => isOver(now) || isDead(now))));
    expect(ends.filter(({ status }) => status !== "succeeded")).toEqual([]);
    expect(outside.callsOf("poison")).toHaveLength(DEFAULT_SETTINGS.maxCrashes);
  }, 60_000);

  test("that makes progress in between is no such run", async () => {
    const outside = new Outside();
    const chain = ["poison", ...Array.from({ length: 6 }, (_, i) => `s${i}`)];
    const edges = [...chain, "end"].map((id, i) => `${i === 0 ? "start" : chain[i - 1]}>${id}`);
    const workflowId = await saveWorkflow(platform, definition([...chain.map((id) => tool(id, { effect: "none" })), endNode()], edges));
    const run = await callRoute(api.routes, startRun, { caller: ownerOf(db.tenantId), params: { id: workflowId }, body: { input: {} } });
    for (const id of chain) {
      // Each process gets one step further.
      outside.answer = ({ step }) => (step.nodeId === id ? never() : Promise.resolve(null));
      const process = new Mortal(outside);
      await process.runs.start();
      while (outside.calls.at(-1)?.step.nodeId !== id) await pause(5);
      await process.die(id);
    }
    outside.answer = () => Promise.resolve("at last");
    await new Mortal(outside).runs.start();
    expect((await when(run, isOver)).status).toBe("succeeded");
  }, 30_000);
});

test("a run that cannot be read is dead after as many attempts, and holds up nobody", async () => {
  const broken = await begin("lost");
  await db.ownerPool.query("delete from workflow_versions where workflow_id = $1", [broken.workflowId]);
  // A platform of its own, so that the definition is not remembered.
  const runs = createProcess({ ...platform, base: { ...platform.base, plans: createPlatform(db).workflows } }, new Outside(), {
    settings: { loadAgainMs: 10, maxCrashes: 3 },
  });
  processes.push(runs);
  await runs.start();
  const fine = await begin("fine");
  for (;;) {
    const result = await db.ownerPool.query<{ dead_reason: string | null; crash_count: number; status: string; owner: string | null }>(
      "select dead_reason, crash_count, status, owner from runs where id = $1",
      [broken.id],
    );
    const [row] = result.rows;
    if (row?.dead_reason == null) {
      await pause(10);
      continue;
    }
    expect(row).toMatchObject({ crash_count: 3, status: "paused", owner: null, dead_reason: expect.stringContaining("cannot be loaded") });
    break;
  }
  expect((await when(fine, isOver)).status).toBe("succeeded");
});

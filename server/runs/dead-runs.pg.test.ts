import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type pg from "pg";
import type { Json } from "#contract/common.ts";
import { requeueRun } from "#contract/run-again.ts";
import { cancelRun, listRuns, patchRunContext, resumeRun, startRun, type Run } from "#contract/runs.ts";
import type { RouteSpec } from "#contract/route.ts";
import { AppError } from "#server/kernel/errors.ts";
import { newId } from "#server/kernel/ids.ts";
import type { Database } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
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
const processes = runProcesses(() => platform);
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  api = createProcess(platform, new Outside(), { drives: false });
  await api.start();
});
afterAll(async () => {
  await api.stop();
  await db.close();
});

const never = (): Promise<Json> => new Promise(() => {});
/** Without effect, so that it is simply called again. */
const one = (id: string) => definition([tool(id, { effect: "none" }), endNode(`=steps.${id}`)], [`start>${id}`, `${id}>end`]);

/** A process that can be killed: from then on it commits nothing, and nobody keeps its leases. */
class Mortal {
  readonly id = newId();
  isDead = false;
  readonly runs: Runs;
  readonly #statements = new Set<Promise<unknown>>();
  /** Of the journal's connections. */
  readonly #backends: number[] = [];

  constructor(outside: Outside) {
    const { database } = platform.base;
    const own: Database = {
      asTenant: (tenantId, fn) => this.#through(() => database.asTenant(tenantId, fn)),
      statement: (tenantId, statement) => this.#through(() => database.statement(tenantId, statement)),
      asWorker: (fn) => this.#through(() => database.asWorker(fn)),
    };
    this.runs = createProcess(platform, outside, {
      database: own,
      instanceId: this.id,
      connectWorker: () => this.#through(() => this.#connect()),
      // So long that the lease of a living process does not expire, however slow the machine: only a death is a death.
      settings: { leaseMs: 60_000 },
    });
    processes.keep(this.runs);
  }

  /** Dies in a step of this run. What it has begun to write of the step is written first: otherwise that would be progress of the next one. */
  async dieIn({ id }: Run, nodeId = "poison"): Promise<void> {
    const isWritten = `select from runs r where r.id = $1 and r.owner = $2 and exists (select from run_journal j where j.run_id = r.id and j.kind = 'step_started' and j.node_id = $3)`;
    while ((await db.ownerPool.query(isWritten, [id, this.id, nodeId])).rows.length === 0) await pause(5);
    await this.die();
  }

  /** Others know of it only when nothing that was on its way to the database can be committed any more: else the dead could take its own run over. */
  async die(): Promise<void> {
    this.isDead = true;
    await Promise.allSettled(this.#statements);
    await platform.base.database.asWorker((tx) =>
      tx.query("select pg_terminate_backend(pid, 10000) from unnest($1::int4[]) as pid", [this.#backends]),
    );
    await db.ownerPool.query("update runs set lease_until = now() - interval '1 s' where owner = $1", [this.id]);
  }

  #through<T>(fn: () => Promise<T>): Promise<T> {
    if (this.isDead) return Promise.reject(new AppError("database_unavailable", "The process is dead."));
    const statement = fn();
    this.#statements.add(statement);
    const forget = (): void => void this.#statements.delete(statement);
    statement.then(forget, forget);
    return statement;
  }

  async #connect(): Promise<pg.Client> {
    const client = await db.connectWorker();
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    this.#backends.push(...rows.map(({ pid }) => pid));
    return client;
  }
}

const begin = async (nodeId: string): Promise<Run> => startOf(api, db.tenantId, await saveWorkflow(platform, one(nodeId)))();
const when = (run: Run, isReady: (run: Run) => boolean): Promise<Run> => runWhen(api, { id: run.id, tenantId: db.tenantId }, isReady);
const ask = (route: RouteSpec, run: Run, body?: object) =>
  callRoute(api.routes, route, { caller: ownerOf(db.tenantId), params: { id: run.id }, ...(body && { body }) });
const isDead = ({ dead }: Run): boolean => dead !== undefined;

const callsIn = (outside: Outside, run: Run): number => outside.callsOf("poison").filter(({ step }) => step.runId === run.id).length;

/** Processes come and die, each as soon as the run's step `poison` is called in it, until the run is dead. Answers with the one that finds it so. */
async function generations(outside: Outside, run: Run, onBorn: (process: Mortal) => void = () => {}): Promise<Mortal> {
  for (;;) {
    const calls = callsIn(outside, run);
    const process = new Mortal(outside);
    onBorn(process);
    await process.runs.start();
    while (callsIn(outside, run) === calls && !isDead(await api.getRun(db.tenantId, run.id))) await pause(10);
    if (callsIn(outside, run) === calls) return process;
    await process.dieIn(run);
  }
}

describe("a run that kills its processes", () => {
  const poisoned = async (): Promise<Run> => {
    const outside = new Outside();
    outside.answer = never;
    const run = await begin("poison");
    const last = await generations(outside, run);
    // Alive, it would take the run when that is requeued.
    await last.die();
    expect(callsIn(outside, run)).toBe(DEFAULT_SETTINGS.maxCrashes);
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
    processes.keep(worker);
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
    processes.keep(worker);
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
    await generations(outside, run, (process) => (living = process));
    const ends = await Promise.all(neighbours.map((neighbour) => when(neighbour, (now) => isOver(now) || isDead(now))));
    expect(ends.filter(({ status }) => status !== "succeeded")).toEqual([]);
    expect(callsIn(outside, run)).toBe(DEFAULT_SETTINGS.maxCrashes);
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
      await process.dieIn(run, id);
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
  processes.keep(runs);
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

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Dispatch, WorkListener } from "#server/kernel/ports.ts";
import { eventually } from "#test/support/eventually.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "../index.ts";

let db: TestDatabase;
let platform: Platform;
const processes = runProcesses(() => platform);
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const never = (): Promise<Json> => new Promise(() => {});
const SILENT = { pollMs: 600_000 };
const one = definition([tool("call", { effect: "none" }), endNode("=steps.call")], ["start>call", "call>end"]);
const claimsOf = async (runs: Runs, runId: string): Promise<number[]> => {
  const events = await journalOf(runs, db.tenantId, runId);
  return events.flatMap(({ kind, at }) => (kind === "run_claimed" ? [Date.parse(at)] : []));
};

/** What a dispatch was told. */
function told(): { dispatch: Dispatch; due: number[]; listener: () => WorkListener | undefined } {
  const due: number[] = [];
  let heard: WorkListener | undefined;
  const dispatch: Dispatch = {
    due: (runs) => void due.push(runs),
    wake: () => {},
    listen: (listener) => {
      heard = listener;
      return async () => void (heard = undefined);
    },
  };
  return { dispatch, due, listener: () => heard };
}

describe("a worker that is told to stop", () => {
  test("keeps its leases while calls are open, however long, and then hands the runs over at once", async () => {
    const slow = new Outside();
    const answer = Promise.withResolvers<Json>();
    slow.answer = () => answer.promise;
    const chain = definition(
      [tool("call", { effect: "once" }), transform("then", "=1"), endNode("=steps.call")],
      ["start>call", "call>then", "then>end"],
    );
    const said = told();
    const leaving = await processes.started(slow, { dispatch: said.dispatch, settings: { leaseMs: 200, pollMs: 20, drainMs: 30_000 } });
    const { id } = await startOf(leaving, db.tenantId, await saveWorkflow(platform, chain))();
    await eventually(
      async () => slow.calls.length,
      (calls) => calls === 1,
    );
    const other = await processes.started(new Outside());
    const stopped = leaving.stop();
    await pause(600);
    expect(await claimsOf(other, id)).toHaveLength(1);
    answer.resolve("late");
    const run = await runWhen(other, { id, tenantId: db.tenantId }, isOver);
    await stopped;
    expect(run).toMatchObject({ status: "succeeded", output: "late" });
    expect(await claimsOf(other, id)).toHaveLength(2);
    expect(said.due).toEqual([1]);
  });

  test("gives up at once what only waits, while the rest goes on; and starts what comes in the meantime for the others", async () => {
    const slow = new Outside();
    const answer = Promise.withResolvers<Json>();
    slow.answer = ({ step }) =>
      step.nodeId === "call" ? answer.promise : Promise.reject(new AppError("agent_failed", "again", { retryable: true }));
    const waits = definition(
      [tool("fails", { retry: { maxAttempts: 2, backoffMs: 800 }, effect: "none" }), endNode()],
      ["start>fails", "fails>end"],
    );
    const said = told();
    const leaving = await processes.started(slow, { dispatch: said.dispatch, settings: { keepMs: 10_000, drainMs: 30_000 } });
    const calls = await startOf(leaving, db.tenantId, await saveWorkflow(platform, one))();
    const retries = await startOf(leaving, db.tenantId, await saveWorkflow(platform, waits))();
    await eventually(
      async () => slow.calls.length,
      (count) => count === 2,
    );
    const stopped = leaving.stop();
    await eventually(
      async () => leaving.activeCount(),
      (count) => count === 1,
    );
    const { rows } = await db.ownerPool.query("select owner from runs where id = $1", [retries.id]);
    expect(rows).toEqual([{ owner: null }]);
    expect((await startOf(leaving, db.tenantId, await saveWorkflow(platform, one))()).status).toBe("queued");
    expect(said.due).toEqual([1, 1]);
    expect(said.listener()).toBeUndefined();
    answer.resolve("done");
    await stopped;
    const other = await processes.started(new Outside());
    for (const { id } of [calls, retries])
      expect(await runWhen(other, { id, tenantId: db.tenantId }, isOver)).toMatchObject({ status: "succeeded" });
  });
});

describe("a worker that hears of work", () => {
  test("claims as many runs as it is told of, and those that it is told of by name", async () => {
    const said = told();
    const api = createProcess(platform, new Outside(), { drives: false });
    processes.keep(api);
    const stuck = new Outside();
    stuck.answer = never;
    const worker = await processes.started(stuck, { dispatch: said.dispatch, settings: SILENT });
    await pause(100);
    const start = startOf(api, db.tenantId, await saveWorkflow(platform, one));
    const runs = [];
    for (let i = 0; i < 6; i += 1) runs.push(await start());
    expect(runs.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => "queued"));
    await said.listener()?.onDue(2);
    expect(worker.activeCount()).toBe(2);
    const last = runs.at(-1)?.id ?? "";
    expect(said.listener()?.holds(last)).toBe(false);
    expect(await said.listener()?.onWoken(last)).toBe(true);
    expect(said.listener()?.holds(last)).toBe(true);
    expect(await said.listener()?.onWoken(last)).toBe(true);
    expect(worker.activeCount()).toBe(3);
    await db.ownerPool.query("update runs set owner = 'somebody else', lease_until = now() + interval '1 h' where id = $1", [runs[4]?.id]);
    expect(await said.listener()?.onWoken(runs[4]?.id ?? "")).toBe(false);
  });

  test("takes in runs with a past no faster than it may", async () => {
    const stuck = new Outside();
    stuck.answer = never;
    const dead = await processes.started(stuck, { settings: SILENT });
    const start = startOf(dead, db.tenantId, await saveWorkflow(platform, one));
    const runs = await Promise.all(Array.from({ length: 250 }, () => start()));
    await eventually(
      async () => new Set(stuck.calls.map(({ step }) => step.runId)),
      (called) => runs.every(({ id }) => called.has(id)),
    );
    await db.ownerPool.query("update runs set lease_until = now() - interval '1 s' where owner is not null");
    const successor = await processes.started(new Outside(), { settings: { resumesPerSecond: 250 } });
    for (const { id } of runs) await runWhen(successor, { id, tenantId: db.tenantId }, isOver);
    const taken = (await Promise.all(runs.map(({ id }) => claimsOf(successor, id)))).flatMap((claims) => claims.slice(1));
    expect(taken).toHaveLength(250);
    // Two full batches of a hundred, each with its pause.
    expect(Math.max(...taken) - Math.min(...taken)).toBeGreaterThan(750);
  });
});

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { cancelRun, type Run } from "#contract/runs.ts";
import { newId } from "#server/kernel/ids.ts";
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
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "../index.ts";
import { renewSlots, sweepSlots, takeSlots } from "../store/slots.pg.ts";

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

afterEach(async () => {
  const { rows } = await db.ownerPool.query("select key from concurrency_slots");
  if (rows.length > 0) throw new Error(`Expected every slot to be freed; ${rows.length} are not.`);
});
// After the hook above, so that its processes are stopped before that looks for slots.
const processes = runProcesses(() => platform);
const processWith = (options: Parameters<typeof processes.started>[1] = {}): Promise<Runs> => processes.started(outside, options);

/** Calls that take a moment, and how many of them there were at once. */
let outside: Outside;
let [open, most] = [0, 0];
beforeEach(() => {
  outside = new Outside();
  [open, most] = [0, 0];
  outside.answer = async () => {
    open += 1;
    most = Math.max(most, open);
    await pause(20);
    open -= 1;
    return "done";
  };
});

const one = (policy: Parameters<typeof tool>[1]): DefinitionInput =>
  definition([tool("call", { effect: "none", ...policy }), endNode("=steps.call")], ["start>call", "call>end"]);
const save = (of: DefinitionInput, tenantId = db.tenantId): Promise<string> => saveWorkflow(platform, of, tenantId);
const ended = (runs: Runs, { id }: Run, tenantId = db.tenantId): Promise<Run> => runWhen(runs, { id, tenantId }, isOver);

async function startMany(runs: readonly Runs[], workflowId: string, count: number): Promise<Run[]> {
  const started: Run[] = [];
  for (let i = 0; i < count; i += 1) for (const process of runs) started.push(await startOf(process, db.tenantId, workflowId)({ i }));
  return started;
}

describe("a limit on calls at once", () => {
  test("of a node holds over all runs of the workflow and over processes", async () => {
    const both = [await processWith(), await processWith()] as const;
    const started = await startMany(both, await save(one({ concurrency: 3 })), 8);
    for (const run of started) expect(await ended(both[0], run)).toMatchObject({ status: "succeeded" });
    expect(outside.calls).toHaveLength(16);
    expect(most).toBe(3);
  });

  test("of an agent holds over workflows", async () => {
    outside.prepared = { binding: { agent: newId(), agentConcurrency: "2" } };
    const runs = await processWith();
    const started = [...(await startMany([runs], await save(one({})), 4)), ...(await startMany([runs], await save(one({})), 4))];
    for (const run of started) await ended(runs, run);
    expect(outside.calls).toHaveLength(8);
    expect(most).toBe(2);
  });

  test("of a tenant holds no other tenant up", async () => {
    const other = await db.secondTenant();
    const runs = await processWith({ callsPerTenant: 1 });
    let answer: (value: Json) => void = () => {};
    outside.answer = ({ tenantId }) => (tenantId === other ? Promise.resolve("other") : new Promise((resolve) => (answer = resolve)));
    const mine = await startMany([runs], await save(one({})), 2);
    while (outside.calls.length === 0) await pause(5);
    const theirs = await startOf(runs, other, await save(one({}), other))();
    expect(await ended(runs, theirs, other)).toMatchObject({ output: "other" });
    expect(outside.calls).toHaveLength(2);
    for (const run of mine) {
      while ((await runs.getRun(db.tenantId, run.id)).status === "running") {
        answer("mine");
        await pause(5);
      }
    }
  });

  test("lets calls begin in the order in which they came", async () => {
    const runs = await processWith();
    const started = await startMany([runs], await save(one({ concurrency: 1 })), 10);
    for (const run of started) await ended(runs, run);
    expect(outside.calls.map(({ step }) => step.runId)).toEqual(started.map(({ id }) => id));
  });

  test("fails the step when its time is over, which counts from the call's own", async () => {
    const runs = await processWith();
    let answer: (value: Json) => void = () => {};
    outside.answer = () => new Promise((resolve) => (answer = resolve));
    const [first, second] = await startMany([runs], await save(one({ concurrency: 1, timeoutMs: 400 })), 2);
    if (!first || !second) throw new Error("Expected two runs.");
    await pause(300);
    answer("in time");
    expect(await ended(runs, first)).toMatchObject({ status: "succeeded" });
    await pause(300);
    answer("in time, too");
    expect(await ended(runs, second)).toMatchObject({ status: "succeeded" });
    outside.answer = () => new Promise(() => {});
    const workflowId = await save(one({ concurrency: 1, timeoutMs: 60_000, onError: "fail" }));
    const blocking = await startOf(runs, db.tenantId, workflowId)();
    while (outside.calls.length < 3) await pause(5);
    const slow = { tenantId: db.tenantId, key: `node/${workflowId}/call`, atOnce: 1, count: 1 };
    expect(await takeSlots(db.database, slow, { owner: newId(), leaseMs: 1_000 })).toEqual([]);
    await callRoute(runs.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: blocking.id } });
    expect(await ended(runs, blocking)).toMatchObject({ status: "cancelled" });
  });

  test("that lets nobody in ends with concurrency_timeout", async () => {
    const runs = await processWith();
    outside.answer = () => new Promise(() => {});
    const workflowId = await save(one({ concurrency: 1, timeoutMs: 150 }));
    const elsewhere = newId();
    const taken = { tenantId: db.tenantId, key: `node/${workflowId}/call`, atOnce: 1, count: 1 };
    await takeSlots(db.database, taken, { owner: elsewhere, leaseMs: 1_000 });
    const run = await startOf(runs, db.tenantId, workflowId)();
    expect(await ended(runs, run)).toMatchObject({ status: "failed", error: { code: "concurrency_timeout", class: "retryable" } });
    expect(outside.calls).toEqual([]);
    await db.ownerPool.query("delete from concurrency_slots where owner = $1", [elsewhere]);
  });

  test("a run that waits for its turn can be cancelled at once", async () => {
    const runs = await processWith();
    const workflowId = await save(one({ concurrency: 1 }));
    const elsewhere = newId();
    await takeSlots(
      db.database,
      { tenantId: db.tenantId, key: `node/${workflowId}/call`, atOnce: 1, count: 1 },
      { owner: elsewhere, leaseMs: 60_000 },
    );
    const run = await startOf(runs, db.tenantId, workflowId)();
    await callRoute(runs.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: run.id } });
    expect(await ended(runs, run)).toMatchObject({ status: "cancelled" });
    expect(outside.calls).toEqual([]);
    await db.ownerPool.query("delete from concurrency_slots where owner = $1", [elsewhere]);
  });

  test("what a dead process held is free once its lease is over, and a living one renews", async () => {
    const runs = await processWith();
    const workflowId = await save(one({ concurrency: 2 }));
    const taken = { tenantId: db.tenantId, key: `node/${workflowId}/call`, atOnce: 2, count: 2 };
    const [dead, living] = [newId(), newId()];
    await takeSlots(db.database, { ...taken, count: 1 }, { owner: dead, leaseMs: 300 });
    await takeSlots(db.database, taken, { owner: living, leaseMs: 300 });
    expect(await renewSlots(db.database, living, 60_000)).toHaveLength(1);
    const began = performance.now();
    expect(await ended(runs, await startOf(runs, db.tenantId, workflowId)())).toMatchObject({ status: "succeeded" });
    expect(performance.now() - began).toBeGreaterThan(200);
    await db.ownerPool.query("update concurrency_slots set lease_until = now() - interval '2 h' where owner = $1", [living]);
    await sweepSlots(db.database);
  });
});

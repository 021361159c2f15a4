import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { getRunContext, patchRunContext } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
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
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";

let db: TestDatabase;
let platform: Platform;
let outside: Outside;
let runs: Runs;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());
beforeEach(async () => {
  outside = new Outside();
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(() => runs.stop());

/** A run whose first call goes on until `release` is called, and whose second reads the context. */
async function startHeld() {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  outside.answer = async ({ step, input }) => {
    if (step.nodeId === "first") await released;
    return input;
  };
  const nodes = [tool("first"), tool("second", {}, { arguments: { topic: "=context.topic" } })];
  const workflow = definition([...nodes, endNode("=steps.second.arguments")], ["start>first", "first>second", "second>end"], {
    name: `Context ${Math.random()}`,
  });
  const run = await startOf(runs, db.tenantId, await saveWorkflow(platform, workflow))();
  return { run: { id: run.id, tenantId: db.tenantId }, release };
}

const call = (route: typeof getRunContext | typeof patchRunContext, id: string, set?: Record<string, unknown>) =>
  callRoute(runs.routes, route, { caller: ownerOf(db.tenantId), params: { id }, ...(set ? { body: { set } } : {}) });

describe("the context of a run", () => {
  test("what is set from outside is an event, and later steps read it", async () => {
    const { run, release } = await startHeld();
    await call(patchRunContext, run.id, { topic: "brakes", old: 1 });
    await call(patchRunContext, run.id, { old: null });
    await expect.poll(() => call(getRunContext, run.id)).toEqual({ runId: run.id, version: 2, values: { topic: "brakes" } });
    release();
    expect((await runWhen(runs, run, isOver)).output).toEqual({ topic: "brakes" });
    const kinds = (await journalOf(runs, db.tenantId, run.id)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "context_patched")).toHaveLength(2);
  });

  test("a run that is over keeps its context", async () => {
    const { run, release } = await startHeld();
    release();
    await runWhen(runs, run, isOver);
    await expect(call(patchRunContext, run.id, { topic: "late" })).rejects.toMatchObject({ code: "run_transition_invalid" });
    expect(await call(getRunContext, run.id)).toEqual({ runId: run.id, version: 0, values: {} });
  });

  test("another workspace's run is not there", async () => {
    const { run, release } = await startHeld();
    const foreign = ownerOf(await db.secondTenant());
    const read = callRoute(runs.routes, getRunContext, { caller: foreign, params: { id: run.id } });
    await expect(read).rejects.toMatchObject({ code: "not_found" });
    release();
    await runWhen(runs, run, isOver);
  });
});

describe("an outside party that cannot say whether it happened", () => {
  test("parks a `once` step with a question instead of failing or repeating it", async () => {
    outside.answer = () => Promise.reject(new AppError("step_in_doubt", "The connection broke"));
    const workflow = definition([tool("call"), endNode("=steps.call")], ["start>call", "call>end"], {
      name: "In doubt",
    });
    const started = await startOf(runs, db.tenantId, await saveWorkflow(platform, workflow))();
    const run = { id: started.id, tenantId: db.tenantId };
    const waiting = await runWhen(runs, run, ({ status }) => status === "waiting");
    expect(waiting).toMatchObject({
      status: "waiting",
      questions: [{ nodeId: "call", question: expect.stringMatching(/connection broke while "call"/) }],
    });
    expect(outside.calls).toHaveLength(1);
    await runs.cancelRun({ ...run, actor: "user:1", runId: run.id });
    await runWhen(runs, run, isOver);
  });
});

describe("retention", () => {
  test("forgets runs that ended long ago, with their events, and no others", async () => {
    const { run, release } = await startHeld();
    release();
    await runWhen(runs, run, isOver);
    const { run: recent, release: releaseRecent } = await startHeld();
    releaseRecent();
    await runWhen(runs, recent, isOver);
    await db.ownerPool.query("update runs set finished_at = now() - interval '40 days' where id = $1", [run.id]);
    const forgetful = createProcess(platform, outside, { retentionDays: 30 });
    await forgetful.start();
    const left = async (): Promise<unknown> =>
      (await db.ownerPool.query("select run_id from run_journal where run_id = any($1) group by run_id", [[run.id, recent.id]])).rows;
    await expect.poll(left).toEqual([{ run_id: recent.id }]);
    await forgetful.stop();
    await expect(runs.getRun(db.tenantId, run.id)).rejects.toMatchObject({ code: "not_found" });
  });
});

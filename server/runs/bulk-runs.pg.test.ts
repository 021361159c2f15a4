import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { awaitRun, awaitRuns, cancelRuns, retryRuns } from "#contract/run-again.ts";
import { startRun, type Run } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import { newId } from "#server/kernel/ids.ts";
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
  tool,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";

let db: TestDatabase;
let platform: Platform;
let outside: Outside;
let runs: Runs;
let workflowId: string;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  workflowId = await saveWorkflow(platform, definition([tool("call"), endNode("=steps.call")], ["start>call", "call>end"]));
});
afterAll(() => db.close());
beforeEach(async () => {
  outside = new Outside();
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(() => runs.stop());

const never = (): Promise<Json> => new Promise(() => {});
const fails = (): Promise<Json> => Promise.reject(new AppError("tool_failed", "It broke."));
const start = (tag: string): Promise<Run> =>
  callRoute(runs.routes, startRun, { caller: ownerOf(db.tenantId), params: { id: workflowId }, body: { input: {}, tags: [tag] } });
const over = (run: { id: string }): Promise<Run> => runWhen(runs, { id: run.id, tenantId: db.tenantId }, isOver);
const caller = () => ownerOf(db.tenantId);

describe("several runs at once", () => {
  test("are cancelled by their ids; what one refuses does not keep the others from it", async () => {
    const ended = await over(await start("a"));
    outside.answer = never;
    const [one, two] = [await start("a"), await start("a")];
    const absent = newId();
    const { items, isMore } = await callRoute(runs.routes, cancelRuns, {
      caller: caller(),
      body: { ids: [one.id, absent, ended.id, two.id] },
    });
    expect(items).toMatchObject([
      { id: one.id, run: { id: one.id, status: "cancelling" } },
      { id: absent, error: { code: "not_found" } },
      { id: ended.id, error: { code: "run_transition_invalid" } },
      { id: two.id, run: { status: "cancelling" } },
    ]);
    expect(isMore).toBe(false);
    expect([(await over(one)).status, (await over(two)).status]).toEqual(["cancelled", "cancelled"]);
    const { rows } = await db.ownerPool.query(
      "select count(*)::int4 as count from audit_log where action = 'run.cancel_requested' and target = any($1)",
      [[`run:${one.id}`, `run:${two.id}`]],
    );
    expect(rows).toEqual([{ count: 2 }]);
  });

  test("are cancelled by a filter, which only those fit that can be cancelled", async () => {
    await over(await start("b"));
    outside.answer = never;
    const [other, one, two] = [await start("other"), await start("b"), await start("b")];
    const { items } = await callRoute(runs.routes, cancelRuns, { caller: caller(), body: { filter: { tag: "b" }, reason: "enough" } });
    expect(items.map(({ id }) => id)).toEqual([two.id, one.id]);
    expect((await over(one)).status).toBe("cancelled");
    expect((await runs.getRun(db.tenantId, other.id)).status).toBe("running");
  });

  test("are retried by a filter, which only those fit that have failed or were cancelled", async () => {
    await over(await start("c"));
    outside.answer = fails;
    const failed = [await over(await start("c")), await over(await start("c"))];
    outside.answer = () => Promise.resolve("well");
    const { items } = await callRoute(runs.routes, retryRuns, { caller: caller(), body: { filter: { tag: "c", workflowId } } });
    expect(items.map(({ id }) => id)).toEqual(failed.map(({ id }) => id).toReversed());
    const again = await Promise.all(items.map(({ run }) => over({ id: run?.id ?? "" })));
    expect(again.map(({ status, parentRunId }) => [status, parentRunId])).toEqual(items.map(({ id }) => ["succeeded", id]));
  });

  test("of another tenant are not there", async () => {
    const run = await over(await start("d"));
    const stranger = ownerOf(await db.secondTenant());
    const { items } = await callRoute(runs.routes, retryRuns, { caller: stranger, body: { ids: [run.id] } });
    expect(items).toMatchObject([{ id: run.id, error: { code: "not_found" } }]);
    expect(await callRoute(runs.routes, retryRuns, { caller: stranger, body: { filter: { status: ["succeeded"] } } })).toEqual({
      items: [],
      isMore: false,
    });
  });
});

describe("waiting", () => {
  const wait = (ids: string[], more: object = {}) => callRoute(runs.routes, awaitRuns, { caller: caller(), body: { ids, ...more } });

  test("answers when the run is over, or when the time is up", async () => {
    let answer: (value: string) => void = () => {};
    outside.answer = () => new Promise((resolve) => (answer = resolve));
    const run = await start("w");
    const one = (timeoutMs: number) => callRoute(runs.routes, awaitRun, { caller: caller(), params: { id: run.id }, query: { timeoutMs } });
    expect((await one(20)).status).toBe("running");
    const waiting = one(30_000);
    await runWhen(runs, { id: run.id, tenantId: db.tenantId }, () => outside.calls.length > 0);
    answer("done");
    expect(await waiting).toMatchObject({ status: "succeeded", output: "done" });
  });

  test("for several ends with the last of them or, if asked so, with the first", async () => {
    const quick = await start("w");
    await over(quick);
    outside.answer = never;
    const slow = await start("w");
    const ids = [slow.id, quick.id];
    expect(await wait(ids, { timeoutMs: 20 })).toMatchObject({
      isOver: false,
      items: [{ id: slow.id }, { id: quick.id, status: "succeeded" }],
    });
    expect(await wait(ids, { until: "any" })).toMatchObject({ isOver: true });
    expect(await wait([quick.id])).toMatchObject({ isOver: true });
  });

  test("for a run that is not there is refused at once", async () => {
    const run = await over(await start("w"));
    await expect(wait([run.id, newId()])).rejects.toMatchObject({ code: "not_found" });
    const params = { id: newId() };
    await expect(callRoute(runs.routes, awaitRun, { caller: caller(), params })).rejects.toMatchObject({ code: "not_found" });
  });
});

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
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

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

test("a tenant that starts runs without end, in the process that drives them, leaves others their share", async () => {
  const other = await db.secondTenant();
  const outside = new Outside();
  outside.answer = () => pause(20, null);
  const runs = createProcess(platform, outside, { settings: { maxLiveRuns: 4 } });
  await runs.start();
  const work = definition([tool("call", { effect: "none" }), endNode()], ["start>call", "call>end"]);
  const startMine = startOf(runs, db.tenantId, await saveWorkflow(platform, work));
  const startTheirs = startOf(runs, other, await saveWorkflow(platform, work, other));
  let isEnough = false;
  const flood = async (): Promise<void> => {
    while (!isEnough) await startMine();
  };
  const floods = [flood(), flood(), flood()];
  try {
    while (outside.calls.length < 20) await pause(5);
    for (let i = 0; i < 3; i += 1) {
      const before = outside.calls.length;
      const { id } = await startTheirs();
      await runWhen(runs, { id, tenantId: other }, isOver);
      expect(outside.calls.length - before).toBeLessThan(40);
    }
  } finally {
    isEnough = true;
    await Promise.all(floods);
    await runs.stop();
  }
});

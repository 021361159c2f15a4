import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { resumeRun } from "#contract/runs.ts";
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

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const OUTER = 16;
const INNER = 64;

describe("large maps", () => {
  test("1,024 once calls in doubt after a crash are asked about, and answered with one word for all", async () => {
    const of = definition(
      [
        { id: "outer", type: "map", data: { items: `=[1..${OUTER}]`, concurrency: OUTER } },
        { id: "inner", type: "map", parentId: "outer", data: { items: `=[1..${INNER}]`, concurrency: INNER } },
        tool("call", { effect: "once" }, { parentId: "inner" }),
        endNode("=$count(steps.outer.*)"),
      ],
      ["start>outer", "outer>end"],
    );
    const [dying, next] = [new Outside(), new Outside()];
    dying.answer = () => new Promise<Json>(() => {});
    const dead = createProcess(platform, dying, { settings: { pollMs: 600_000 } });
    await dead.start();
    const run = await startOf(dead, db.tenantId, await saveWorkflow(platform, of))();
    while (dying.calls.length < OUTER * INNER) await pause(20);
    await db.ownerPool.query("update runs set lease_until = now() - interval '1 s' where id = $1", [run.id]);
    const successor = createProcess(platform, next);
    await successor.start();
    try {
      const address = { id: run.id, tenantId: db.tenantId };
      const asked = await runWhen(successor, address, ({ questions }) => questions.length === OUTER * INNER);
      expect(new Set(asked.questions.map(({ nodeId }) => nodeId))).toEqual(new Set(["call"]));
      const body = { answer: "happened", nodeId: "call" };
      await callRoute(successor.routes, resumeRun, { caller: ownerOf(db.tenantId), params: { id: run.id }, body });
      expect(await runWhen(successor, address, isOver)).toMatchObject({ status: "succeeded" });
      expect(next.calls).toEqual([]);
    } finally {
      await dead.stop();
      await successor.stop();
    }
  });
});

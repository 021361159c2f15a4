import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { retryRun } from "#contract/run-again.ts";
import { listRuns, resumeRun, startRun, type Run } from "#contract/runs.ts";
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
  const inside = tool("inside", {}, { parentId: "each" });
  const each = { id: "each", type: "map", data: { items: [1, 2] } } as const;
  const nodes = [tool("a"), tool("b", {}, { arguments: { a: "=steps.a" } }), each, inside, endNode("=steps.b")];
  workflowId = await saveWorkflow(platform, definition(nodes, ["start>a", "a>b", "b>each", "each>end"]));
});
afterAll(() => db.close());
beforeEach(async () => {
  outside = new Outside();
  outside.answer = (call) => Promise.resolve(JSON.parse(JSON.stringify(call.input)).arguments);
  runs = createProcess(platform, outside);
  await runs.start();
});
afterEach(() => runs.stop());

const start = (body: object): Promise<Run> =>
  callRoute(runs.routes, startRun, { caller: ownerOf(db.tenantId), params: { id: workflowId }, body });
const when = (run: Run, isReady: (run: Run) => boolean): Promise<Run> => runWhen(runs, { id: run.id, tenantId: db.tenantId }, isReady);

describe("an editor run", () => {
  test("takes pinned outputs instead of executing the node", async () => {
    const run = await start({ mode: "editor", pins: { a: "mocked" } });
    expect(await when(run, isOver)).toMatchObject({ mode: "editor", status: "succeeded", output: { a: "mocked" } });
    expect(outside.callsOf("a")).toHaveLength(0);
    expect(outside.callsOf("inside")).toHaveLength(2);
  });

  test("executes one node alone, with pins for what it reads", async () => {
    const run = await start({ mode: "editor", only: "b", pins: { a: 7 } });
    expect(await when(run, isOver)).toMatchObject({ status: "succeeded", output: { a: 7 } });
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["b"]);
  });

  test("pauses at a breakpoint and goes on when it is resumed", async () => {
    const run = await start({ mode: "editor", breakpoints: ["b"] });
    await when(run, ({ status }) => status === "paused");
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["a"]);
    await callRoute(runs.routes, resumeRun, { caller: ownerOf(db.tenantId), params: { id: run.id } });
    expect((await when(run, isOver)).status).toBe("succeeded");
  });

  test("is retried as an editor run, and listed as one", async () => {
    const run = await when(await start({ mode: "editor", pins: { a: 1 }, tags: ["tried"] }), isOver);
    const again = await callRoute(runs.routes, retryRun, { caller: ownerOf(db.tenantId), params: { id: run.id } });
    expect(await when(again, isOver)).toMatchObject({ mode: "editor", output: { a: 1 } });
    const list = (mode: string) => callRoute(runs.routes, listRuns, { caller: ownerOf(db.tenantId), query: { mode, tag: "tried" } });
    expect((await list("editor")).items.map(({ id }) => id)).toEqual([again.id, run.id]);
    expect((await list("production")).items).toEqual([]);
  });

  test("sets nothing off that listens to the ends of runs", async () => {
    await db.ownerPool.query(
      "insert into run_listeners (id, tenant_id, workflow_id, statuses, action, created_by) values ($1, $2, $3, '{succeeded}', '{}', 'user:1')",
      [newId(), db.tenantId, workflowId],
    );
    const [tried, real] = [await when(await start({ mode: "editor" }), isOver), await when(await start({}), isOver)];
    const { rows } = await db.ownerPool.query("select run_id from listener_deliveries where run_id = any($1::uuid[])", [
      [tried.id, real.id],
    ]);
    expect(rows).toEqual([{ run_id: real.id }]);
  });
});

describe("what a run may not be started with", () => {
  test.each([{ pins: { a: 1 } }, { breakpoints: ["a"] }, { only: "a" }, { mode: "production", only: "a" }])(
    "%j in production",
    async (body) => {
      await expect(start(body)).rejects.toMatchObject({ code: "editor_only" });
    },
  );

  test.each([
    [{ pins: { a: 1, nowhere: 2 } }, [{ path: "body.pins.nowhere", nodeId: "nowhere" }]],
    [{ breakpoints: ["a", "lost"] }, [{ path: "body.breakpoints[1]", nodeId: "lost" }]],
    [{ only: "gone" }, [{ path: "body.only", nodeId: "gone" }]],
    [{ only: "start" }, [{ path: "body.only", nodeId: "start" }]],
    [{ only: "inside" }, [{ path: "body.only", nodeId: "inside", message: expect.stringContaining("each") }]],
  ])("nodes that it cannot have: %j", async (body, issues) => {
    const before = await db.ownerPool.query("select count(*) from runs");
    await expect(start({ mode: "editor", ...body })).rejects.toMatchObject({ code: "request_invalid", issues });
    expect((await db.ownerPool.query("select count(*) from runs")).rows).toEqual(before.rows);
  });
});

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
  type Platform,
} from "#test/support/runs.ts";

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

async function resultOf(nodes: Parameters<typeof definition>[0], edges: string[]) {
  const outside = new Outside();
  const runs = createProcess(platform, outside);
  await runs.start();
  try {
    const run = await startOf(runs, db.tenantId, await saveWorkflow(platform, definition(nodes, edges)))({ list: [1, 2, 3] });
    const { status, output, error } = await runWhen(runs, { id: run.id, tenantId: db.tenantId }, isOver);
    return { status, output, error, outside };
  } finally {
    await runs.stop();
  }
}

test("code runs in a run, with its input computed and its source as it is", async () => {
  const source = "const text = '={{ input }}'; return { sum: input.reduce((a, b) => a + b), text }";
  const done = await resultOf(
    [{ id: "sum", type: "code", data: { source, input: "=input.list" } }, endNode("=steps.sum")],
    ["start>sum", "sum>end"],
  );
  expect(done).toMatchObject({ status: "succeeded", output: { sum: 6, text: "={{ input }}" } });
});

test("code that does not end fails its run with its own error", async () => {
  const policy = { timeoutMs: 100 };
  const done = await resultOf(
    [{ id: "spin", type: "code", data: { source: "for (;;) {}" }, policy }, endNode()],
    ["start>spin", "spin>end"],
  );
  expect(done).toMatchObject({ status: "failed", error: { code: "code_timeout", nodeId: "spin" } });
});

test("a team's turns are calls of its members' agents", async () => {
  const members = [
    { name: "ann", agent: "planner", instructions: "Plan." },
    { name: "bob", agent: "seller", skill: "sell" },
  ];
  const team = { id: "crew", type: "team", data: { mode: "sequential", members, input: "=input.list" } } as const;
  const { status, output, outside } = await resultOf([team, endNode("=steps.crew.output")], ["start>crew", "crew>end"]);
  expect(status).toBe("succeeded");
  expect(outside.calls.map(({ step, input }) => ({ step, input }))).toMatchObject([
    { step: { scope: "/crew[0]", nodeId: "crew.ann" }, input: { agent: "planner", input: { task: [1, 2, 3], instructions: "Plan." } } },
    {
      step: { scope: "/crew[1]", nodeId: "crew.bob" },
      input: { agent: "seller", skill: "sell", input: { transcript: [{ member: "ann" }] } },
    },
  ]);
  expect(output).toMatchObject({ echoed: { agent: "seller" } });
});

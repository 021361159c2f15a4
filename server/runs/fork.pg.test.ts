import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { DefinitionInput } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { forkRun, retryRun } from "#contract/run-again.ts";
import { cancelRun, getRunContext, startRun, type Run } from "#contract/runs.ts";
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
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  tool,
  transform,
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

const chain = definition(
  [tool("first"), tool("second", {}, { arguments: { n: "=input.n", k: "=context.k" } }), tool("third"), endNode("=steps.second")],
  ["start>first", "first>second", "second>third", "third>end"],
  { input: { type: "object", properties: { n: { type: "integer" } } } },
);
const breaks = (nodeId: string) => (call: { step: { nodeId: string }; input: unknown }) =>
  call.step.nodeId === nodeId
    ? Promise.reject(new AppError("tool_failed", "It broke."))
    : Promise.resolve({ did: call.step.nodeId, arguments: JSON.parse(JSON.stringify(call.input)).arguments });
const works = breaks("");

async function ended(of: DefinitionInput, input: object = { n: 1 }): Promise<Run> {
  const id = await saveWorkflow(platform, of);
  const body = { input: JSON.parse(JSON.stringify(input)) };
  const run = await callRoute(runs.routes, startRun, { caller: ownerOf(db.tenantId), params: { id }, body });
  return over(run.id);
}
const over = (id: string, within: Runs = runs): Promise<Run> => runWhen(within, { id, tenantId: db.tenantId }, isOver);
const retry = (id: string, body: object = {}, key?: string) =>
  callRoute(runs.routes, retryRun, {
    caller: ownerOf(db.tenantId),
    params: { id },
    body,
    headers: key === undefined ? {} : { "idempotency-key": key },
  });
const fork = (id: string, body: object, key?: string) =>
  callRoute(runs.routes, forkRun, {
    caller: ownerOf(db.tenantId),
    params: { id },
    body,
    headers: key === undefined ? {} : { "idempotency-key": key },
  });
async function countsOf(): Promise<unknown> {
  const { rows } = await db.ownerPool.query(
    "select (select count(*) from runs) as runs, (select count(*) from run_journal) as events, (select count(*) from idempotency_keys) as keys",
  );
  return rows;
}

describe("a retry", () => {
  test("goes on from the failed node: what has finished is not called again, what failed is, under a key of its own", async () => {
    outside.answer = breaks("second");
    const parent = await ended(chain);
    expect(parent.status).toBe("failed");
    const failed = outside.callsOf("second")[0];
    outside.answer = works;
    outside.calls.length = 0;
    const run = await retry(parent.id);
    expect(run).toMatchObject({ parentRunId: parent.id, version: parent.version, input: parent.input, status: "queued" });
    expect(await over(run.id)).toMatchObject({ status: "succeeded", output: { did: "second" } });
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["second", "third"]);
    expect(outside.callsOf("second")[0]?.key).not.toBe(failed?.key);
    expect(await over(parent.id)).toEqual(parent);
    const [created, ...copied] = await journalOf(runs, db.tenantId, run.id);
    expect(created?.body).toMatchObject({ parentRunId: parent.id, copied: 2 });
    expect(copied.slice(0, 3).map(({ kind, epoch }) => [kind, epoch])).toEqual([
      ["step_started", 0],
      ["step_succeeded", 0],
      ["run_claimed", 1],
    ]);
    const { rows } = await db.ownerPool.query("select actor, details::jsonb as details from audit_log where target = $1", [
      `run:${run.id}`,
    ]);
    expect(rows).toEqual([
      { actor: "user:owner", details: expect.objectContaining({ parentRunId: parent.id, from: "failed", copied: 2 }) },
    ]);
  });

  test("from the start does all of it again", async () => {
    outside.answer = breaks("second");
    const parent = await ended(chain);
    outside.answer = works;
    outside.calls.length = 0;
    await over((await retry(parent.id, { from: "start" })).id);
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["first", "second", "third"]);
  });

  test("of a cancelled run goes on where it was", async () => {
    outside.answer = (call) => (call.step.nodeId === "second" ? new Promise(() => {}) : works(call));
    const id = await saveWorkflow(platform, chain);
    const { id: parent } = await callRoute(runs.routes, startRun, { caller: ownerOf(db.tenantId), params: { id }, body: { input: {} } });
    await runWhen(runs, { id: parent, tenantId: db.tenantId }, () => outside.callsOf("second").length > 0);
    await callRoute(runs.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: parent }, body: {} });
    expect((await over(parent)).status).toBe("cancelled");
    outside.answer = works;
    expect((await over((await retry(parent)).id)).status).toBe("succeeded");
    expect(outside.callsOf("first")).toHaveLength(1);
  });

  test("of a run that has succeeded has nothing to go on from, unless it begins at the start", async () => {
    const parent = await ended(chain);
    const before = await countsOf();
    await expect(retry(parent.id, { from: "failed" })).rejects.toMatchObject({ code: "run_transition_invalid" });
    expect(await countsOf()).toEqual(before);
    expect((await over((await retry(parent.id)).id)).status).toBe("succeeded");
    expect(outside.callsOf("first")).toHaveLength(2);
  });

  test("is one run for the same key, however often it is sent, and a conflict for another request", async () => {
    outside.answer = breaks("second");
    const parent = await ended(chain);
    const together = await Promise.all(Array.from({ length: 5 }, () => retry(parent.id, {}, "again")));
    expect(new Set([...together, await retry(parent.id, {}, "again")].map(({ id }) => id)).size).toBe(1);
    await expect(retry(parent.id, { from: "start" }, "again")).rejects.toMatchObject({ code: "idempotency_conflict" });
  });

  test("goes on in a run that was itself a retry", async () => {
    outside.answer = breaks("second");
    const first = await ended(chain);
    outside.answer = breaks("third");
    const second = await over((await retry(first.id)).id);
    expect(second).toMatchObject({ status: "failed", error: { nodeId: "third" } });
    outside.answer = works;
    outside.calls.length = 0;
    expect((await over((await retry(second.id)).id)).status).toBe("succeeded");
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["third"]);
  });

  test("of a confidential run is confidential: nothing of it lies open in the database", async () => {
    outside.answer = breaks("second");
    const secretive = { ...chain, classification: "confidential" as const };
    const parent = await ended(secretive, { n: 70_707 });
    outside.answer = works;
    const run = await over((await retry(parent.id)).id);
    expect(run.output).toMatchObject({ arguments: { n: 70_707 } });
    const { rows } = await db.ownerPool.query(
      "select 1 from run_journal where run_id = $1 and (position('70707'::bytea in body) > 0 or position('first'::bytea in body) > 0)",
      [run.id],
    );
    expect(rows).toEqual([]);
  });
});

describe("a fork", () => {
  test("executes the step and what follows it again, with another input and context; the parent stays as it was", async () => {
    outside.answer = works;
    const parent = await ended(chain);
    outside.calls.length = 0;
    const run = await fork(parent.id, { from: { nodeId: "second" }, input: { n: 2 }, context: { k: "v" } });
    const done = await over(run.id);
    expect(done).toMatchObject({ parentRunId: parent.id, input: { n: 2 }, output: { did: "second", arguments: { n: 2, k: "v" } } });
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["second", "third"]);
    const context = await callRoute(runs.routes, getRunContext, { caller: ownerOf(db.tenantId), params: { id: run.id } });
    expect(context.values).toEqual({ k: "v" });
    expect(await over(parent.id)).toEqual(parent);
  });

  test("inside an item of a map leaves the other items alone", async () => {
    outside.answer = (call) => Promise.resolve(call.step.scope);
    const mapped = definition(
      [
        { id: "each", type: "map", data: { items: [1, 2, 3], concurrency: 1 } },
        tool("work", {}, { parentId: "each" }),
        endNode("=steps.each"),
      ],
      ["start>each", "each>end"],
    );
    const parent = await ended(mapped);
    outside.calls.length = 0;
    outside.answer = () => Promise.resolve("anew");
    const run = await over((await fork(parent.id, { from: { scope: "/each[1]", nodeId: "work" } })).id);
    expect(run.output).toEqual(["/each[0]", "anew", "/each[2]"]);
    expect(outside.calls.map(({ step }) => step.scope)).toEqual(["/each[1]"]);
  });

  test("of a run that goes on takes over what has finished, and neither disturbs the other", async () => {
    let answer: (value: string) => void = () => {};
    outside.answer = (call) => (call.step.nodeId === "third" ? new Promise((resolve) => (answer = resolve)) : works(call));
    const id = await saveWorkflow(platform, chain);
    const parent = await callRoute(runs.routes, startRun, { caller: ownerOf(db.tenantId), params: { id }, body: { input: { n: 1 } } });
    await runWhen(runs, { id: parent.id, tenantId: db.tenantId }, () => outside.callsOf("third").length > 0);
    const answerParent = answer;
    outside.answer = works;
    const run = await over((await fork(parent.id, { from: { nodeId: "second" } })).id);
    expect(run.status).toBe("succeeded");
    expect(outside.callsOf("first")).toHaveLength(1);
    answerParent("at last");
    expect((await over(parent.id)).status).toBe("succeeded");
  });

  test.each([
    ["a node that does not exist", { from: { nodeId: "nowhere" } }, "fork_point_unknown"],
    ["a scope that does not exist", { from: { scope: "/each[7]", nodeId: "first" } }, "fork_point_unknown"],
    ["a step that was never reached", { from: { nodeId: "third" } }, "fork_point_unknown"],
    ["an input that does not fit", { from: { nodeId: "first" }, input: { n: "text" } }, "input_invalid"],
  ])("from %s is refused, and nothing is stored", async (_name, body, code) => {
    outside.answer = breaks("second");
    const parent = await ended(chain);
    const before = await countsOf();
    await expect(fork(parent.id, body, newId())).rejects.toMatchObject({ code });
    expect(await countsOf()).toEqual(before);
  });

  test("of another tenant's run looks like one of a run that does not exist", async () => {
    const parent = await ended(definition([transform("a", 1), endNode()], ["start>a", "a>end"]));
    const stranger = { caller: ownerOf(await db.secondTenant()), params: { id: parent.id }, body: { from: { nodeId: "a" } } };
    await expect(callRoute(runs.routes, forkRun, stranger)).rejects.toMatchObject({ code: "not_found" });
  });

  test(`is refused for a journal of more than ${LIMITS.forkEvents} events or ${LIMITS.forkBytes} bytes`, async () => {
    const parent = await ended(definition([transform("a", 1), endNode()], ["start>a", "a>end"]));
    const pad = (from: number, to: number, body: string) =>
      db.ownerPool.query(
        `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, attempt, epoch, append_id, body, at)
         select $1, seq, $2, 1, 'run_claimed', '', 0, 1, 0, ${body}, now() from generate_series($3::int4, $4) seq`,
        [parent.id, db.tenantId, from, to],
      );
    const from = { from: { nodeId: "a" } };
    await pad(parent.seq + 1, LIMITS.forkEvents + 1, "'{}'");
    await expect(fork(parent.id, from)).rejects.toMatchObject({ code: "fork_too_large" });
    await db.ownerPool.query("delete from run_journal where run_id = $1 and seq > $2", [parent.id, parent.seq]);
    await pad(parent.seq + 1, parent.seq + 1, `convert_to(repeat('x', ${LIMITS.forkBytes}), 'utf8')`);
    await expect(fork(parent.id, from)).rejects.toMatchObject({ code: "fork_too_large" });
    await db.ownerPool.query("delete from run_journal where run_id = $1 and seq > $2", [parent.id, parent.seq]);
    expect((await over((await fork(parent.id, from)).id)).status).toBe("succeeded");
  });
});

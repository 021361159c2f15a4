import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { JournalEvent } from "#contract/journal.ts";
import type { RouteSpec } from "#contract/route.ts";
import type { Run } from "#contract/runs.ts";
import * as contract from "#contract/workflows.ts";
import { newId } from "#server/kernel/ids.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import type { Runs } from "#server/runs/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createPlatform, createProcess, isOver, journalOf, Outside, runWhen, startOf, type Platform } from "#test/support/runs.ts";

let db: TestDatabase;
let platform: Platform;
let runs: Runs;
const model = new Outside();
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  runs = createProcess(platform, model);
  await runs.start();
});
afterAll(async () => {
  await runs.stop();
  await db.close();
});

const call = <R extends RouteSpec>(route: R, params: object, body?: unknown) =>
  callRoute(platform.workflows.routes, route, { caller: ownerOf(db.tenantId), params, body });
const oldOne = (name: string): { [key: string]: Json } =>
  JSON.parse(readFileSync(new URL(`../../engine/legacy/golden/${name}.json`, import.meta.url), "utf8")).old;
const create = (definition: Json, name = newId()) => call(contract.createWorkflow, {}, { name, definition });

type Done = Run & { steps: Record<string, unknown>; ends: string[]; error: Run["error"] };
/** Runs it to its end; `answers` are what the model says, in order. */
async function run(name: string, input: Json, answers: readonly string[] = []): Promise<Done> {
  const { id } = await create(oldOne(name));
  const left = [...answers];
  model.calls.length = 0;
  model.answer = () => Promise.resolve({ text: left.shift() ?? "", usage: { totalTokens: 7 } });
  const begun = await startOf(runs, db.tenantId, id)(input);
  const done = await runWhen(runs, { id: begun.id, tenantId: db.tenantId }, isOver);
  const journal = await journalOf(runs, db.tenantId, begun.id);
  const ended = journal.flatMap((event) => (isEnd(event) ? [[event.nodeId ?? "", event.body.output] as const] : []));
  return { ...done, steps: Object.fromEntries(ended), ends: ended.map(([nodeId]) => nodeId) };
}
const isEnd = (event: JournalEvent): event is Extract<JournalEvent, { kind: "step_succeeded" }> => event.kind === "step_succeeded";
const asked = ({ input }: StepCall): string => JSON.stringify(input);

describe("an old definition", () => {
  test("is kept as it was given, and read as what it is today", async () => {
    const given = oldOne("nodes-and-edges");
    const created = await create(given);
    expect(created).toMatchObject({
      version: 1,
      source: given,
      definition: { version: 2 },
      nodeTypes: expect.arrayContaining(["openai_model"]),
    });
    const read = await call(contract.getWorkflow, { id: created.id });
    expect(JSON.stringify(read.source)).toBe(JSON.stringify(given));
    expect(read.definition).toEqual(created.definition);
    const stored = await db.ownerPool.query("select definition from workflow_versions where workflow_id = $1", [created.id]);
    expect(stored.rows[0].definition).toBe(JSON.stringify(given));
    expect(await call(contract.updateWorkflow, { id: created.id }, { definition: given })).toMatchObject({ version: 1 });
    expect(await call(contract.updateWorkflow, { id: created.id }, { definition: created.definition })).toMatchObject({ version: 2 });
    expect(await call(contract.getWorkflowVersion, { id: created.id, version: 1 })).toMatchObject({ source: given });
    expect(await call(contract.validateWorkflow, { id: created.id })).toEqual({ valid: true, issues: [] });
  });

  test("is validated with what will not be done as it says", async () => {
    const { warnings, valid } = await call(contract.validateDefinition, {}, { definition: oldOne("list") });
    expect([valid, warnings]).toEqual([
      true,
      [expect.objectContaining({ nodeId: "lookup", message: expect.stringContaining("only simulated") })],
    ]);
  });

  test("that could not be executed is refused, naming the steps", async () => {
    const circle = { steps: { a: { depends_on: ["b"] }, b: { depends_on: ["a"] } } };
    await expect(create(circle)).rejects.toMatchObject({
      code: "workflow_invalid",
      message: expect.stringContaining("a, b wait for one another"),
    });
    await expect(create({ version: 3, nodes: [], edges: [] })).rejects.toMatchObject({ code: "definition_version_unsupported" });
  });
});

describe("every old dialect runs", () => {
  test("nodes and edges with prompts: each prompt sees what was answered before", async () => {
    const done = await run("nodes-and-edges", { form_text: "2019 Mazda CX-5, 41k miles" }, ["a Mazda", "Dear customer"]);
    expect(done.status).toBe("succeeded");
    expect(done.output).toMatchObject({
      form_text: "2019 Mazda CX-5, 41k miles",
      vehicle_summary: "a Mazda",
      reply: "Dear customer",
      ai_response: "Dear customer",
    });
    expect(model.calls.map(asked)).toEqual([
      expect.stringContaining("mileage from: 2019 Mazda CX-5, 41k miles"),
      expect.stringContaining("reply politely about a Mazda."),
    ]);
    expect(done.ends.filter((id) => !id.endsWith("_answer"))).toEqual(["summarise", "guide", "draft", "end"]);
  });

  test("the engine's own types: the bag grows as it did", async () => {
    const R = { concern: "grinding brakes", mileage: 48210 };
    const done = await run("engine-types", R);
    const before = {
      concern: "GRINDING BRAKES",
      mileage: 48210,
      request: R,
      validation_result: "SUCCESS",
      validated_data: { ...R, request: R },
    };
    expect(done.output).toEqual({ ...before, result: before });
    const failed = await run("engine-types", { concern: "x", mileage: -1 });
    expect(failed).toMatchObject({ status: "failed", error: { nodeId: "check", code: "code_failed" } });
    expect(failed.error?.message).toMatch(/Field \['concern'\]: .*; Field \['mileage'\]: /);
    expect(failed.ends).toEqual(["intake"]);
  });

  test.each([
    [82, "m1", "m2"],
    [41, "m2", "m1"],
  ])("the builder's steps: a score of %d leads to %s", async (score, taken, skipped) => {
    const done = await run("builder", { message: "Hello" }, [`{"lead_score":${score},"qualification_notes":"ready"}`]);
    expect(done.status).toBe("succeeded");
    expect(done.ends).toContain(taken);
    expect(done.ends).not.toContain(skipped);
    expect(done.ends.filter((id) => id === "u1")).toHaveLength(1);
    expect(done.output).toMatchObject({
      customer_name: "there",
      lead_score: score,
      qualification_notes: "ready",
      email_sent: false,
      simulated: true,
    });
  });

  test("an answer that is no JSON goes into the port for texts", async () => {
    const done = await run("builder", { message: "Hello", customer_name: "Ada" }, ["Looks good"]);
    expect(done.output).toMatchObject({ customer_name: "Ada", lead_score: 0, qualification_notes: "Looks good" });
  });

  test("steps with dependencies: each has a result", async () => {
    const done = await run("dependencies", {}, ["It can"]);
    expect(done.output).toMatchObject({
      status: "completed",
      results: {
        counter: { collected_data: { part: "brake pad", qty: 2 }, source: "parts_counter" },
        clean_part: { processed_data: { part: "BRAKE PAD", qty: 2 } },
        clean_bin: { processed_data: { bin: "C-14", on_hand: 6 } },
        explain: { ai_response: "It can" },
        hand_over: { delivery_status: "Delivered to service_desk", destination: "service_desk" },
      },
    });
    for (const word of ["part", "qty", "bin", "on_hand"]) expect(model.calls.map(asked).join("")).toContain(`\\"${word}\\"`);
  });

  test("a list of steps: one after the other, and what looked data up is only simulated", async () => {
    const done = await run("list", { parts_request: "brake pads", part: "x" }, ["Pads", "Quote"]);
    expect(done.ends.filter((id) => !id.endsWith("_answer"))).toEqual(["read", "lookup", "quote", "end"]);
    expect(done.steps["lookup"]).toEqual({ simulated: true, warning: expect.stringContaining("data_lookup") });
    expect(done.output).toMatchObject({ parts_request: "brake pads", ai_response: "Quote" });
    // What nobody has put into the bag stays as it was written.
    expect(model.calls.map(asked)[1]).toContain("Quote with {{markup}}% markup");
  });

  test("connected nodes: a condition in words", async () => {
    const asking = await run("connected-nodes", { change: { percent: 7 } }, ["Yes"]);
    expect(asking.output).toMatchObject({ change: { percent: 7 }, opinion: "Yes", ai_model: "house/large" });
    const noting = await run("connected-nodes", { change: { percent: 2 } });
    expect([noting.status, noting.ends.includes("note_it"), model.calls.length]).toEqual(["succeeded", true, 0]);
  });

  test("several beginnings, all branches of a condition that says nothing, and templates by name", async () => {
    const done = await run("parallel-roots", { question: "open?" }, ["Yes"]);
    const bag = { question: "OPEN?", left: { question: "open?" } };
    expect(done.output).toMatchObject({ ...bag, result: bag, email_sent: false, ai_response: "Yes" });
    expect(done.ends).toEqual(expect.arrayContaining(["alone", "yes", "no"]));
    expect(model.calls.map(asked)[0]).toContain("Answer this customer inquiry: OPEN?\\nContext: = 1 {{ not closed");
  });

  test("an input that is no object is refused", async () => {
    const { id } = await create(oldOne("list"));
    await expect(startOf(runs, db.tenantId, id)([1])).rejects.toMatchObject({ code: "input_invalid" });
  });
});

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DefinitionInput } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { getRunContext, signalRun, startRun, type Run } from "#contract/runs.ts";
import { listLiveRuns, moveRuns, sortLiveRuns } from "#contract/versions.ts";
import { updateWorkflow } from "#contract/workflows.ts";
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
import type { Runs } from "../index.ts";

let db: TestDatabase;
let platform: Platform;
const running: Runs[] = [];
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((runs) => runs.stop()));
});
afterAll(() => db.close());

async function process(outside = new Outside()): Promise<Runs> {
  const runs = createProcess(platform, outside);
  running.push(runs);
  await runs.start();
  return runs;
}

const wait = (id: string, signal = "go"): DefinitionInput["nodes"][number] => ({ id, type: "wait", data: { signal } });
const chain = (nodes: DefinitionInput["nodes"], output: string, more: Partial<DefinitionInput> = {}): DefinitionInput => {
  const ids = ["start", ...nodes.map(({ id }) => id), "end"];
  return definition(
    [...nodes, endNode(output)],
    ids.slice(1).map((id, i) => `${ids[i] ?? ""}>${id}`),
    more,
  );
};
const pure = { effect: "none" } as const;
const v1 = chain([tool("a", pure), wait("hold"), tool("b", pure)], "=[steps.hold, steps.b.echoed.tool]");
const v2 = chain([tool("first", pure), wait("hold"), tool("c", pure)], "=[steps.hold, steps.c.echoed.tool]");

const caller = () => ownerOf(db.tenantId);
const publish = (id: string, to: DefinitionInput) =>
  callRoute(platform.workflows.routes, updateWorkflow, { caller: caller(), params: { id }, body: { definition: to } });
const list = (runs: Runs, id: string, query: object = {}) =>
  callRoute(runs.routes, listLiveRuns, { caller: caller(), params: { id, version: 2 }, query });
const move = (runs: Runs, id: string, body: object) =>
  callRoute(runs.routes, moveRuns, { caller: caller(), params: { id, version: 2 }, body });
const signal = (runs: Runs, id: string, name = "go") =>
  callRoute(runs.routes, signalRun, { caller: caller(), params: { id, signal: name }, body: { payload: "gone" } });
const when = (runs: Runs, { id }: Run, isReady: (run: Run) => boolean) => runWhen(runs, { id, tenantId: db.tenantId }, isReady);
const isWaiting = ({ status }: Run): boolean => status === "waiting";

/** A run of version 1 that waits, and a second version. */
async function parked(runs: Runs, from = v1, to = v2): Promise<{ id: string; run: Run }> {
  const id = await saveWorkflow(platform, from);
  const run = await startOf(runs, db.tenantId, id)();
  await when(runs, run, isWaiting);
  await publish(id, to);
  return { id, run };
}

describe("publishing while runs are live", () => {
  test("leaves them on their version; each is sorted, and a mapping moves those that it fits", async () => {
    const outside = new Outside();
    const runs = await process(outside);
    const { id, run } = await parked(runs);
    const stays = await startOf(runs, db.tenantId, id)();
    expect(stays.version).toBe(2);
    const { items } = await list(runs, id);
    expect(items).toEqual([
      {
        runId: run.id,
        version: 1,
        status: "waiting",
        verdict: "needs_mapping",
        reasons: [{ code: "mapping_missing", nodeId: "a", message: expect.stringContaining("it could be first, c") }],
        unmapped: [{ nodeId: "a", candidates: ["first", "c"] }],
      },
    ]);
    expect(await move(runs, id, { nodes: {} })).toMatchObject({ items: [{ runId: run.id, outcome: "refused", verdict: "needs_mapping" }] });
    expect(await move(runs, id, { nodes: { a: "first" } })).toMatchObject({ items: [{ runId: run.id, outcome: "accepted" }] });
    await when(runs, run, (now) => now.version === 2 && isWaiting(now));
    await signal(runs, run.id);
    expect((await when(runs, run, isOver)).output).toEqual(["gone", "c"]);
    expect(outside.callsOf("a")).toHaveLength(1);
    const moves = (await journalOf(runs, db.tenantId, run.id)).filter(({ kind }) => kind === "version_moved");
    expect(moves).toMatchObject([{ body: { from: 1, to: 2, nodes: { a: "first" }, by: "user:owner" } }]);
    const audit = await db.ownerPool.query("select details from audit_log where action = 'run.move_requested' and target = $1", [
      `run:${run.id}`,
    ]);
    expect(JSON.parse(audit.rows[0].details)).toEqual({ from: 1, to: 2, nodes: { a: "first" } });
  });

  test("can be tried before: the same verdicts for a definition that is not published", async () => {
    const runs = await process();
    const id = await saveWorkflow(platform, v1);
    const run = await startOf(runs, db.tenantId, id)();
    await when(runs, run, isWaiting);
    const sort = (of: object, nodes = {}) =>
      callRoute(runs.routes, sortLiveRuns, { caller: caller(), params: { id }, body: { definition: of, nodes } });
    expect((await sort(v1)).items).toMatchObject([{ runId: run.id, version: 1, verdict: "compatible" }]);
    expect((await sort(v2)).items).toMatchObject([{ verdict: "needs_mapping", unmapped: [{ nodeId: "a" }] }]);
    expect((await sort(v2, { a: "first" })).items).toMatchObject([{ verdict: "compatible" }]);
    await expect(sort({ ...v2, nodes: [] })).rejects.toMatchObject({ code: "workflow_invalid" });
    await expect(sort({ ...v2, version: 3 })).rejects.toMatchObject({ code: "definition_version_unsupported" });
    expect((await runs.getRun(db.tenantId, run.id)).version).toBe(1);
  });

  test("another process reads a moved run, whatever its row says, and goes on with the new version", async () => {
    const first = await process();
    const { id, run } = await parked(first);
    await move(first, id, { runIds: [run.id], nodes: { a: "first" } });
    await when(first, run, ({ version }) => version === 2);
    await first.stop();
    await db.ownerPool.query("update runs set version = 1 where id = $1", [run.id]);
    const outside = new Outside();
    const second = await process(outside);
    await signal(second, run.id);
    expect(await when(second, run, isOver)).toMatchObject({ version: 2, output: ["gone", "c"] });
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["c"]);
  });

  test("a moved run goes on from its snapshot, without the events before it", async () => {
    const loop = (nodeId: string): DefinitionInput["nodes"] => [
      { id: nodeId, type: "loop", data: { while: "=index < 60", max: 100 } },
      { id: `${nodeId}_round`, type: "transform", data: { output: "=index" }, parentId: nodeId },
    ];
    const of = (nodes: DefinitionInput["nodes"], edges: string[]): DefinitionInput =>
      definition(
        [...loop("before"), wait("hold"), ...nodes, endNode("=[steps.hold, steps.before.rounds]")],
        ["start>before", "before>hold", ...edges],
      );
    const first = await process();
    const { id, run } = await parked(
      first,
      of([], ["hold>end"]),
      of([...loop("after"), wait("more", "more")], ["hold>after", "after>more", "more>end"]),
    );
    const stored = async (): Promise<number[]> =>
      (await db.ownerPool.query<{ seq: number }>("select seq from run_snapshots where run_id = $1", [run.id])).rows.map(({ seq }) => seq);
    while ((await stored()).length === 0) await pause(5);
    const [early = 0] = await stored();
    expect((await move(first, id, { runIds: [run.id] })).items).toMatchObject([{ outcome: "accepted" }]);
    await when(first, run, ({ version }) => version === 2);
    await signal(first, run.id);
    while (!(await stored()).some((seq) => seq > early)) await pause(5);
    await first.stop();
    const [late] = await stored();
    await db.ownerPool.query("delete from run_journal where run_id = $1 and seq < $2", [run.id, late]);
    const second = await process();
    expect((await list(second, id)).items).toEqual([]);
    await signal(second, run.id, "more");
    expect(await when(second, run, isOver)).toMatchObject({ version: 2, output: ["gone", 60] });
  });

  test("what the run has set in its context before the move is still there", async () => {
    const set = (nodeId: string): DefinitionInput["nodes"][number] => ({ id: nodeId, type: "context", data: { set: { colour: "red" } } });
    const runs = await process();
    const { id, run } = await parked(
      runs,
      chain([set("old"), wait("hold")], "=context.colour"),
      chain([set("new"), wait("hold")], "=context.colour"),
    );
    await move(runs, id, { nodes: { old: "new" } });
    await when(runs, run, ({ version }) => version === 2);
    const context = await callRoute(runs.routes, getRunContext, { caller: caller(), params: { id: run.id } });
    expect(context.values).toEqual({ colour: "red" });
  });
});

describe("a move that does not fit", () => {
  test("is refused by name, with what stands in its way", async () => {
    const runs = await process();
    const { id, run } = await parked(runs, v1, { ...v1, input: { type: "object", required: ["name"] } });
    expect(await move(runs, id, {})).toMatchObject({
      items: [{ runId: run.id, outcome: "refused", verdict: "must_finish", reasons: [{ code: "input_incompatible" }] }],
    });
    await expect(move(runs, id, { runIds: [crypto.randomUUID()] })).rejects.toMatchObject({ code: "not_found" });
    const other = await parked(runs);
    await expect(move(runs, id, { runIds: [run.id, other.run.id] })).rejects.toMatchObject({ code: "not_found" });
    await expect(callRoute(runs.routes, listLiveRuns, { caller: caller(), params: { id, version: 3 } })).rejects.toMatchObject({
      code: "version_unknown",
    });
    const stranger = ownerOf(await db.secondTenant());
    await expect(callRoute(runs.routes, listLiveRuns, { caller: stranger, params: { id, version: 2 } })).rejects.toMatchObject({
      code: "not_found",
    });
    await signal(runs, run.id);
    await when(runs, run, isOver);
    expect((await list(runs, id)).items).toEqual([]);
    expect(await move(runs, id, { runIds: [run.id] })).toMatchObject({
      items: [{ outcome: "refused", reasons: [{ code: "not_parked" }] }],
    });
  });

  test("any more, because the run has gone on meanwhile, leaves a trace in its journal", async () => {
    const first = await process();
    const { id, run } = await parked(first);
    await first.stop();
    const speaker = createProcess(platform, new Outside(), { drives: false });
    await signal(speaker, run.id);
    const { items } = await move(speaker, id, { nodes: { a: "first" } });
    expect(items).toMatchObject([{ outcome: "accepted" }]);
    const second = await process();
    expect(await when(second, run, isOver)).toMatchObject({ version: 1, output: ["gone", "b"] });
    const journal = await journalOf(second, db.tenantId, run.id);
    expect(journal.find(({ kind }) => kind === "move_refused")).toMatchObject({ body: { to: 2, reasons: [{ code: "not_parked" }] } });
    const left = await db.ownerPool.query("select kind from run_inbox where run_id = $1", [run.id]);
    expect(left.rows).toEqual([]);
    await speaker.stop();
  });

  test("for now, because its version cannot be loaded, is taken up as soon as it can", async () => {
    let failures = 0;
    const loadPlan: typeof platform.workflows.loadPlan = (ref) => {
      if (ref.version !== 2 || failures === 2) return platform.workflows.loadPlan(ref);
      failures += 1;
      return Promise.reject(new Error("the database is away"));
    };
    const first = await process();
    const { id, run } = await parked(first);
    await first.stop();
    const speaker = createProcess(platform, new Outside(), { drives: false });
    await move(speaker, id, { nodes: { a: "first" } });
    const second = createProcess(platform, new Outside(), { plans: { ...platform.workflows, loadPlan }, settings: { loadAgainMs: 20 } });
    running.push(second);
    await second.start();
    await when(second, run, ({ version }) => version === 2);
    expect(failures).toBe(2);
    await speaker.stop();
  });

  test("because it was asked twice, changes nothing the second time", async () => {
    const first = await process();
    const { id, run } = await parked(first);
    await first.stop();
    const speaker = createProcess(platform, new Outside(), { drives: false });
    for (let i = 0; i < 2; i += 1) await move(speaker, id, { nodes: { a: "first" } });
    const second = await process();
    await when(second, run, ({ version }) => version === 2);
    await signal(second, run.id);
    await when(second, run, isOver);
    const kinds = (await journalOf(second, db.tenantId, run.id)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "version_moved" || kind === "move_refused")).toEqual(["version_moved"]);
    await speaker.stop();
  });

  test("because the journal is too long to be read for it", async () => {
    const runs = await process();
    const { id, run } = await parked(runs);
    await runs.stop();
    await db.ownerPool.query(
      `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, attempt, epoch, append_id, body, at)
       select run_id, $2, tenant_id, v, kind, scope, attempt, epoch, append_id, body, at from run_journal where run_id = $1 and seq = 1`,
      [run.id, LIMITS.sortedEvents + 1],
    );
    const { items } = await list(runs, id, { limit: 1 });
    expect(items).toMatchObject([{ verdict: "must_finish", reasons: [{ code: "journal_too_long" }] }]);
  });
});

test("as many runs as fit are listed, newest first, and the rest on the next page", async () => {
  const runs = await process();
  const { id, run } = await parked(runs);
  const second = await callRoute(runs.routes, startRun, { caller: caller(), params: { id }, body: { version: 1 } });
  await when(runs, second, isWaiting);
  const page = await list(runs, id, { limit: 1 });
  expect(page.items.map(({ runId }) => runId)).toEqual([second.id]);
  const rest = await list(runs, id, { limit: 1, cursor: page.nextCursor });
  expect([rest.items.map(({ runId }) => runId), rest.nextCursor]).toEqual([[run.id], null]);
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { retryRun } from "#contract/run-again.ts";
import * as contract from "#contract/runs.ts";
import type { RouteSpec } from "#contract/route.ts";
import type { LiveEvent } from "#contract/system.ts";
import { EventStream, type SseEvent } from "#server/kernel/handle.ts";
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

const pure = definition([transform("a", "=input.n"), endNode("=steps.a")], ["start>a", "a>end"], {
  input: {
    type: "object",
    properties: { n: { type: "integer", minimum: 1 }, code: { type: "string", pattern: "^[a-z]+$" } },
    required: ["n"],
    additionalProperties: false,
  },
});
const waiting = definition([tool("call"), endNode()], ["start>call", "call>end"]);

type Sent = { id?: string; body?: unknown; headers?: unknown; query?: unknown; tenantId?: string; actor?: string };
const call = <R extends RouteSpec>(route: R, { id, tenantId = db.tenantId, actor = "user:owner", ...sent }: Sent = {}) =>
  callRoute(runs.routes, route, { ...sent, caller: { ...ownerOf(tenantId), ref: actor }, params: { id } });
const start = (id: string, sent: Sent = {}) => call(contract.startRun, { id, body: { input: { n: 1 } }, ...sent });
const over = (id: string) => runWhen(runs, { id, tenantId: db.tenantId }, isOver);

describe("starting", () => {
  test("answers with the run, which then succeeds, and writes one audit line", async () => {
    const id = await saveWorkflow(platform, pure);
    const run = await start(id, { body: { input: { n: 3 }, tags: ["nightly", "half \ud800"] } });
    expect(run).toMatchObject({
      workflowId: id,
      version: 1,
      input: { n: 3 },
      tags: ["nightly", "half \ufffd"],
      output: null,
      parentRunId: null,
    });
    expect(await over(run.id)).toMatchObject({
      status: "succeeded",
      output: 3,
      createdAt: run.createdAt,
      tags: ["nightly", "half \ufffd"],
    });
    const { rows } = await db.ownerPool.query("select actor, action from audit_log where target = $1", [`run:${run.id}`]);
    expect(rows).toEqual([{ actor: "user:owner", action: "run.started" }]);
  });

  test("refuses an input that does not fit, naming every path", async () => {
    const id = await saveWorkflow(platform, pure);
    await expect(start(id, { body: { input: { n: 0, code: "A1", more: 1 } } })).rejects.toMatchObject({
      code: "input_invalid",
      issues: expect.arrayContaining([
        expect.objectContaining({ path: "n" }),
        expect.objectContaining({ path: "code" }),
        expect.objectContaining({ path: "more" }),
      ]),
    });
    await expect(start(id, { body: { input: JSON.parse('{"__proto__":{"n":1}}') } })).rejects.toMatchObject({ code: "input_invalid" });
  });

  test("knows only workflows of the caller's tenant, and versions that exist", async () => {
    const id = await saveWorkflow(platform, pure);
    await expect(start(id, { tenantId: await db.secondTenant() })).rejects.toMatchObject({ code: "not_found" });
    await expect(start(newId())).rejects.toMatchObject({ code: "not_found" });
    await expect(start(id, { body: { input: { n: 1 }, version: 2 } })).rejects.toMatchObject({ code: "version_unknown" });
  });

  test("refuses a tag with NUL", async () => {
    await expect(start(await saveWorkflow(platform, pure), { body: { input: { n: 1 }, tags: ["a\0"] } })).rejects.toMatchObject({
      code: "request_invalid",
      issues: [{ path: "tags[0]" }],
    });
  });

  test("the same key and body is the same run, however often and however quickly it is sent", async () => {
    const id = await saveWorkflow(platform, pure);
    const headers = { "idempotency-key": "order-1" };
    const together = await Promise.all(Array.from({ length: 12 }, () => start(id, { headers })));
    const later = await start(id, { headers });
    expect(new Set([...together, later].map((run) => run.id)).size).toBe(1);
    const { rows } = await db.ownerPool.query("select id from runs where workflow_id = $1", [id]);
    expect(rows).toHaveLength(1);
  });

  test("the same key with another body is a conflict; another caller's key is another key", async () => {
    const id = await saveWorkflow(platform, pure);
    const headers = { "idempotency-key": "order-2" };
    const run = await start(id, { headers });
    await expect(start(id, { headers, body: { input: { n: 2 } } })).rejects.toMatchObject({ code: "idempotency_conflict" });
    expect((await start(id, { headers, actor: "user:other" })).id).not.toBe(run.id);
  });

  test("one start that cannot be stored does not take its batch with it", async () => {
    const id = await saveWorkflow(platform, pure);
    await db.ownerPool.query("alter table runs add constraint refused check (not ('refused' = any(tags))) not valid");
    const results = await Promise.allSettled(
      ["a", "refused", "b", "c"].map((tag) => start(id, { body: { input: { n: 1 }, tags: [tag] } })),
    );
    await db.ownerPool.query("alter table runs drop constraint refused");
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  });
});

describe("reading", () => {
  test("another tenant's run looks like one that does not exist", async () => {
    const run = await start(await saveWorkflow(platform, pure));
    const stranger = { id: run.id, tenantId: await db.secondTenant() };
    for (const route of [contract.getRun, contract.getRunJournal, contract.cancelRun, retryRun]) {
      await expect(call(route, stranger)).rejects.toMatchObject({ code: "not_found" });
    }
    await expect(call(contract.resumeRun, { ...stranger, body: { answer: "happened" } })).rejects.toMatchObject({ code: "not_found" });
    expect(await call(contract.listRuns, { tenantId: stranger.tenantId })).toEqual({ items: [], nextCursor: null });
  });

  test("lists newest first, page by page, and filters", async () => {
    const id = await saveWorkflow(platform, pure);
    const made: string[] = [];
    for (const tag of ["x", "y", "x"]) made.unshift((await start(id, { body: { input: { n: 1 }, tags: [tag] } })).id);
    for (const run of made) await over(run);
    const list = (query: object) => call(contract.listRuns, { query });
    const first = await list({ workflowId: id, limit: 2 });
    expect(first.items.map((run) => run.id)).toEqual(made.slice(0, 2));
    const second = await list({ workflowId: id, limit: 2, cursor: first.nextCursor });
    expect([second.items.map((run) => run.id), second.nextCursor]).toEqual([made.slice(2), null]);
    expect((await list({ workflowId: id, tag: "y" })).items.map((run) => run.id)).toEqual([made[1]]);
    expect((await list({ workflowId: id, status: "failed,queued" })).items).toEqual([]);
    expect((await list({ workflowId: id, status: "succeeded" })).items).toHaveLength(3);
    expect((await list({ workflowId: id, from: "2999-01-01T00:00:00Z" })).items).toEqual([]);
    expect((await list({ workflowId: id, to: "2999-01-01T00:00:00Z" })).items).toHaveLength(3);
    expect((await list({ tag: "\0" })).items).toEqual([]);
    await expect(list({ cursor: "bm9uc2Vuc2U" })).rejects.toMatchObject({ code: "cursor_invalid" });
  });

  test("gives the journal in pages", async () => {
    const run = await start(await saveWorkflow(platform, pure));
    await over(run.id);
    const all = await journalOf(runs, db.tenantId, run.id);
    expect(all.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    const page = await call(contract.getRunJournal, { id: run.id, query: { after: 1, limit: 2 } });
    expect(page).toEqual({ items: all.slice(1, 3), nextAfter: 3 });
    expect((await call(contract.getRunJournal, { id: run.id, query: { after: 99_999_999_999 } })).items).toEqual([]);
  });
});

describe("following", () => {
  async function follow(
    id: string,
    sent: { headers?: object; query?: object; signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<SseEvent>> {
    const handled = runs.routes.find(({ route }) => route === contract.streamRunEvents);
    const request = {
      caller: ownerOf(db.tenantId),
      requestId: "r",
      signal: sent.signal ?? new AbortController().signal,
      params: { id },
      query: sent.query ?? {},
      headers: sent.headers ?? {},
    };
    const answer: unknown = await (handled && Reflect.apply(handled.run, undefined, [request]));
    if (!(answer instanceof EventStream)) throw new Error("Expected a stream.");
    return answer.events;
  }
  const ids = async (events: AsyncIterable<SseEvent>): Promise<(string | undefined)[]> => {
    const seen: (string | undefined)[] = [];
    for await (const event of events) seen.push(event.id);
    return seen;
  };

  test("tells what was and what comes, and ends with the run", async () => {
    let answer: (value: string) => void = () => {};
    outside.answer = () => new Promise((resolve) => (answer = resolve));
    const run = await start(await saveWorkflow(platform, waiting), { body: {} });
    const events = await follow(run.id);
    const seen: (string | undefined)[] = [];
    for await (const event of events) {
      seen.push(event.id);
      if (JSON.stringify(event).includes('"step_started"')) answer("now");
    }
    expect(seen).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  test("resumes after the last event that was seen, also after the very last", async () => {
    const run = await start(await saveWorkflow(platform, pure));
    await over(run.id);
    expect(await ids(await follow(run.id, { headers: { "last-event-id": "3" } }))).toEqual(["4", "5"]);
    expect(await ids(await follow(run.id, { query: { after: 4 } }))).toEqual(["5"]);
    expect(await ids(await follow(run.id, { headers: { "last-event-id": "5" } }))).toEqual([]);
  });

  test("ends when the reader goes away", async () => {
    outside.answer = () => new Promise(() => {});
    const run = await start(await saveWorkflow(platform, waiting), { body: {} });
    const reader = new AbortController();
    const events = await follow(run.id, { signal: reader.signal });
    const seen: unknown[] = [];
    for await (const event of events) if (seen.push(event) === 2) reader.abort();
    expect(seen.length).toBeGreaterThanOrEqual(2);
  });

  test("of a run that does not exist is refused before anything is sent", async () => {
    await expect(follow(newId())).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("retrying", () => {
  test("starts a new run with the same version and input that names its parent", async () => {
    const id = await saveWorkflow(platform, pure);
    const run = await start(id, { body: { input: { n: 5 }, tags: ["t"] } });
    await over(run.id);
    const again = await call(retryRun, { id: run.id, headers: { "idempotency-key": "again" } });
    expect(again).toMatchObject({ parentRunId: run.id, version: 1, input: { n: 5 }, tags: ["t"] });
    expect((await call(retryRun, { id: run.id, headers: { "idempotency-key": "again" } })).id).toBe(again.id);
    expect(await over(again.id)).toMatchObject({ status: "succeeded", output: 5, parentRunId: run.id });
  });

  test("is refused while the run is under way", async () => {
    outside.answer = () => new Promise(() => {});
    const run = await start(await saveWorkflow(platform, waiting), { body: {} });
    await expect(call(retryRun, { id: run.id })).rejects.toMatchObject({ code: "run_transition_invalid" });
  });
});

test("a run without questions cannot be answered", async () => {
  const run = await start(await saveWorkflow(platform, pure));
  await expect(call(contract.resumeRun, { id: run.id, body: { answer: "happened" } })).rejects.toMatchObject({ code: "run_not_waiting" });
});

test("hints tell of the run's end with its last number", async () => {
  const hints: LiveEvent[] = [];
  const stop = platform.base.live.subscribe(db.tenantId, (event) => hints.push(event));
  const run = await start(await saveWorkflow(platform, pure));
  await over(run.id);
  // Runs of earlier tests may still be heard of.
  const ofRun = () => hints.filter((hint) => hint.type === "run" && hint.runId === run.id);
  while (!ofRun().some((hint) => JSON.stringify(hint).includes("succeeded"))) await new Promise((resolve) => setTimeout(resolve, 5));
  stop();
  expect(ofRun().at(-1)).toEqual({ type: "run", runId: run.id, workflowId: run.workflowId, status: "succeeded", seq: 5 });
});

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import { cancelRun, getRunContext, listRuns, pauseRun, resumeRun, signalRun, type Run } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
import {
  createPlatform,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  tool,
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";

type Node = DefinitionInput["nodes"][number];

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const processes = runProcesses(() => platform);

const begin = async (runs: Runs, of: DefinitionInput, input: Json = {}): Promise<Run> =>
  startOf(runs, db.tenantId, await saveWorkflow(platform, of))(input);
const when = (runs: Runs, run: Run, isReady: (run: Run) => boolean): Promise<Run> =>
  runWhen(runs, { id: run.id, tenantId: db.tenantId }, isReady);
const over = (runs: Runs, run: Run): Promise<Run> => when(runs, run, isOver);
const call = { signal: (runs: Runs, run: Run, signal: string, payload: Json = null) => speak(runs, run, { signal, payload }) };
const speak = (runs: Runs, { id }: Run, { signal, payload }: { signal: string; payload: Json }): Promise<Run> =>
  callRoute(runs.routes, signalRun, { caller: ownerOf(db.tenantId), params: { id, signal }, body: { payload } });
const act = (
  runs: Runs,
  route: typeof pauseRun | typeof cancelRun,
  { id }: Run,
  body?: { reason?: string; force?: boolean },
): Promise<Run> => callRoute(runs.routes, route, { caller: ownerOf(db.tenantId), params: { id }, body });
const resume = (runs: Runs, { id }: Run): Promise<Run> =>
  callRoute(runs.routes, resumeRun, { caller: ownerOf(db.tenantId), params: { id }, body: undefined });
const kindsOf = async (runs: Runs, run: Run): Promise<string[]> => (await journalOf(runs, db.tenantId, run.id)).map(({ kind }) => kind);
const wait = (id: string, data: object, policy: Node["policy"] = {}): Node => ({ id, type: "wait", data, policy });
const chain = (...nodes: Node[]): DefinitionInput => {
  const ids = ["start", ...nodes.map(({ id }) => id)];
  return definition(
    nodes,
    ids.slice(1).map((id, i) => `${ids[i] ?? ""}>${id}`),
  );
};
async function until<T>(read: () => Promise<T> | T, isReady: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (isReady(value)) return value;
    await pause(5);
  }
}

describe("waits", () => {
  test("a time: the run is out of memory meanwhile, and goes on when it has come", async () => {
    const runs = await processes.started();
    const began = Date.now();
    const run = await begin(runs, chain(wait("nap", { forMs: 400 }), endNode("=steps.nap.at")));
    await until(
      () => runs.activeCount(),
      (count) => count === 0,
    );
    const ended = await over(runs, run);
    expect(ended.status).toBe("succeeded");
    expect(Date.now() - began).toBeGreaterThanOrEqual(400);
  });

  test("a date that has passed does not wait", async () => {
    const runs = await processes.started();
    const run = await begin(runs, chain(wait("then", { until: "2020-01-01T00:00:00Z" }), endNode("=steps.then.at")));
    expect((await over(runs, run)).output).toBe("2020-01-01T00:00:00.000Z");
  });

  test("a date that is none is a clear error", async () => {
    const runs = await processes.started();
    const run = await begin(runs, chain(wait("then", { until: "=input.when" }), endNode()), { when: "tomorrow" });
    expect((await over(runs, run)).error).toMatchObject({ code: "expression_failed", nodeId: "then" });
  });

  test("a signal: parked until it comes, its payload is the output", async () => {
    const runs = await processes.started();
    const run = await begin(runs, chain(wait("go", { signal: "go" }), endNode("=steps.go")));
    expect((await when(runs, run, ({ status }) => status === "waiting")).status).toBe("waiting");
    await until(
      () => runs.activeCount(),
      (count) => count === 0,
    );
    await call.signal(runs, run, "go", { amount: 3 });
    expect((await over(runs, run)).output).toEqual({ amount: 3 });
  });

  test("signals that come before their step waits are kept in order", async () => {
    const outside = new Outside();
    const { promise, resolve } = Promise.withResolvers<Json>();
    outside.answer = () => promise;
    const runs = await processes.started(outside);
    const run = await begin(
      runs,
      chain(tool("slow"), wait("one", { signal: "s" }), wait("two", { signal: "s" }), endNode("=[steps.one, steps.two]")),
    );
    await call.signal(runs, run, "s", 1);
    await call.signal(runs, run, "s", 2);
    resolve("done");
    expect((await over(runs, run)).output).toEqual([1, 2]);
  });

  test("a signal that no step waits for is refused by name, and nothing is written", async () => {
    const runs = await processes.started();
    const run = await begin(runs, chain(wait("go", { signal: "go" }), endNode()));
    await when(runs, run, ({ status }) => status === "waiting");
    const before = await kindsOf(runs, run);
    await expect(call.signal(runs, run, "stop")).rejects.toMatchObject({
      code: "signal_unknown",
      message: expect.stringContaining("waits for go"),
    });
    expect(await kindsOf(runs, run)).toEqual(before);
  });

  test("a full inbox takes no more, and nothing of what waits in it is lost", async () => {
    const runs = await processes.started(new Outside(), { drives: false });
    const run = await begin(runs, chain(wait("go", { signal: "go" }), endNode("=steps.go")));
    await db.ownerPool.query(
      "insert into run_inbox (run_id, id, tenant_id, kind, body) select $1, gen_random_uuid(), $2, 'unpause', ''::bytea from generate_series(1, $3)",
      [run.id, db.tenantId, LIMITS.inboxMessages],
    );
    await expect(call.signal(runs, run, "go")).rejects.toMatchObject({ code: "inbox_full" });
    const { rows } = await db.ownerPool.query("select count(*)::int4 as count from run_inbox where run_id = $1", [run.id]);
    expect(rows).toEqual([{ count: LIMITS.inboxMessages }]);
    await db.ownerPool.query("delete from run_inbox where ctid in (select ctid from run_inbox where run_id = $1 limit 1)", [run.id]);
    expect(await call.signal(runs, run, "go")).toMatchObject({ id: run.id });
    await db.ownerPool.query("delete from run_inbox where run_id = $1", [run.id]);
  });

  test("a signal that does not come in time fails the step", async () => {
    const runs = await processes.started();
    const run = await begin(runs, chain(wait("go", { signal: "go" }, { timeoutMs: 80 }), endNode()));
    expect((await over(runs, run)).error).toMatchObject({ code: "step_timeout", nodeId: "go" });
  });

  test("a call of the step's hook, whose address the run knows", async () => {
    const runs = await processes.started();
    const run = await begin(
      runs,
      chain(transform("say", "=run.hooks.paid"), wait("paid", { webhook: true }), endNode("=[steps.say, steps.paid]")),
    );
    await when(runs, run, ({ status }) => status === "waiting");
    await runs.callHook({ tenantId: db.tenantId, runId: run.id, nodeId: "paid", scope: "", payload: { ok: true } });
    expect((await over(runs, run)).output).toEqual([`http://127.0.0.1/hooks/${run.id}.paid`, { ok: true }]);
  });

  test("a database that is away when the run would be parked only delays it", async () => {
    let isAway = false;
    let refused = 0;
    const { database } = platform.base;
    const flaky: Database = {
      ...database,
      asWorker: (fn) => {
        if (!isAway) return database.asWorker(fn);
        refused += 1;
        return Promise.reject(new AppError("database_unavailable", "It is away."));
      },
    };
    const runs = await processes.started(new Outside(), { database: flaky, settings: { pollMs: 600_000 } });
    const run = await begin(runs, chain(tool("first"), wait("nap", { forMs: 300 }), endNode("=steps.nap")));
    isAway = true;
    await until(
      () => refused,
      (count) => count >= 2,
    );
    isAway = false;
    expect((await over(runs, run)).status).toBe("succeeded");
  });

  test("a message at the moment of parking is never lost", async () => {
    const runs = await processes.started(new Outside(), { settings: { keepMs: 0 } });
    const workflow = chain(wait("go", { signal: "go" }), endNode("=steps.go"));
    const all = await Promise.all(Array.from({ length: 30 }, () => begin(runs, workflow)));
    await Promise.all(all.map((run, i) => pause(i % 7).then(() => call.signal(runs, run, "go", i))));
    const ended = await Promise.all(all.map((run) => over(runs, run)));
    expect(ended.map(({ output }) => output)).toEqual(all.map((_, i) => i));
  });
});

describe("child runs", () => {
  const parentOf = (workflow: string, policy: Node["policy"] = {}): DefinitionInput =>
    chain({ id: "sub", type: "subworkflow", data: { workflow, input: { n: "=input.n" } }, policy }, endNode("=steps.sub"));
  const childrenOf = async (runs: Runs, parent: Run): Promise<Run[]> => {
    const { items } = await callRoute(runs.routes, listRuns, { caller: ownerOf(db.tenantId), query: { limit: 200 } });
    const children = items.filter(({ parentRunId }) => parentRunId === parent.id);
    return Promise.all(children.map(({ id }) => runs.getRun(db.tenantId, id)));
  };

  test("the parent is parked while its child runs, and gets its output", async () => {
    const outside = new Outside();
    const { promise, resolve } = Promise.withResolvers<Json>();
    outside.answer = () => promise;
    const runs = await processes.started(outside);
    const child = await saveWorkflow(platform, chain(tool("slow"), endNode("={'doubled': input.n * 2}")));
    const run = await begin(runs, parentOf(child), { n: 21 });
    await when(runs, run, ({ status }) => status === "waiting");
    await until(
      () => runs.activeCount(),
      (count) => count === 1,
    );
    resolve("done");
    const ended = await over(runs, run);
    expect(ended).toMatchObject({ status: "succeeded", output: { doubled: 42 } });
    const [only, ...others] = await childrenOf(runs, run);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ status: "succeeded", parentRunId: run.id });
  });

  test("a child's failure is the step's, and says where to look", async () => {
    const outside = new Outside();
    outside.answer = () => Promise.reject(new AppError("tool_failed", "no paper"));
    const runs = await processes.started(outside);
    const run = await begin(runs, parentOf(await saveWorkflow(platform, chain(tool("print"), endNode()))), {});
    expect((await over(runs, run)).error).toMatchObject({
      code: "run_failed_below",
      cause: "tool_failed",
      message: expect.stringContaining("no paper"),
    });
  });

  test("cancelling the parent cancels the child first", async () => {
    const outside = new Outside();
    outside.answer = () => new Promise(() => {});
    const runs = await processes.started(outside);
    const run = await begin(runs, parentOf(await saveWorkflow(platform, chain(tool("forever"), endNode()))), {});
    await until(
      () => outside.calls.length,
      (count) => count === 1,
    );
    await act(runs, cancelRun, run, { reason: "enough" });
    expect((await over(runs, run)).status).toBe("cancelled");
    const [child] = await childrenOf(runs, run);
    expect(child?.status).toBe("cancelled");
    expect(outside.calls[0]?.signal.aborted).toBe(true);
  });

  test("a child that takes too long fails the step and is stopped", async () => {
    const outside = new Outside();
    outside.answer = () => new Promise(() => {});
    const runs = await processes.started(outside);
    const run = await begin(runs, parentOf(await saveWorkflow(platform, chain(tool("forever"), endNode())), { timeoutMs: 150 }), {});
    expect((await over(runs, run)).error).toMatchObject({ code: "step_timeout", nodeId: "sub" });
    const [child] = await childrenOf(runs, run);
    expect(child && (await over(runs, child)).status).toBe("cancelled");
  });

  test("runs that start one another for ever are stopped at a depth", async () => {
    const runs = await processes.started();
    const id = await saveWorkflow(platform, chain({ id: "again", type: "subworkflow", data: { workflow: "Recursion" } }, endNode()));
    await platform.workflows.save({
      tenantId: db.tenantId,
      actor: "user:owner",
      name: "Recursion",
      definition: JSON.parse(
        JSON.stringify({ ...chain({ id: "again", type: "subworkflow", data: { workflow: id } }, endNode()), name: "Recursion" }),
      ),
    });
    const run = await startOf(runs, db.tenantId, id)();
    const ended = await over(runs, run);
    expect(ended).toMatchObject({ status: "failed", error: { code: "run_failed_below" } });
    const { items } = await callRoute(runs.routes, listRuns, { caller: ownerOf(db.tenantId), query: { limit: 200, workflowId: id } });
    expect(items.length).toBe(8);
  });
});

describe("pause", () => {
  test("nothing new begins, open calls end, and resuming goes on", async () => {
    const outside = new Outside();
    const { promise, resolve } = Promise.withResolvers<Json>();
    outside.answer = ({ step }) => (step.nodeId === "slow" ? promise : Promise.resolve("after"));
    const runs = await processes.started(outside);
    const run = await begin(runs, chain(tool("slow"), tool("after"), endNode("=steps.after")));
    await until(
      () => outside.calls.length,
      (count) => count === 1,
    );
    expect((await act(runs, pauseRun, run, { reason: "look at it" })).status).toBe("paused");
    await until(
      () => kindsOf(runs, run),
      (kinds) => kinds.includes("run_paused"),
    );
    resolve("done");
    await until(
      () => kindsOf(runs, run),
      (kinds) => kinds.includes("step_succeeded"),
    );
    await until(
      () => runs.activeCount(),
      (count) => count === 0,
    );
    expect(outside.callsOf("after")).toEqual([]);
    expect((await runs.getRun(db.tenantId, run.id)).status).toBe("paused");
    await resume(runs, run);
    expect((await over(runs, run)).output).toBe("after");
  });

  test("what is over cannot be paused, and what is not paused cannot be resumed", async () => {
    const runs = await processes.started();
    const run = await over(runs, await begin(runs, chain(endNode(1))));
    await expect(act(runs, pauseRun, run)).rejects.toMatchObject({ code: "run_transition_invalid" });
    await expect(resume(runs, run)).rejects.toMatchObject({ code: "run_transition_invalid" });
  });
});

describe("undoing", () => {
  const booking: DefinitionInput = definition(
    [
      tool("book", { compensate: "unbook" }),
      tool("charge", { compensate: "refund" }),
      tool("ship"),
      tool("unbook", {}, { arguments: { what: "=steps.book" } }),
      tool("refund"),
      endNode(),
    ],
    ["start>book", "book>charge", "charge>ship", "ship>end"],
  );
  const failing = (...ids: string[]): Outside => {
    const outside = new Outside();
    outside.answer = ({ step }) =>
      ids.includes(step.nodeId) ? Promise.reject(new AppError("tool_failed", `no ${step.nodeId}`)) : Promise.resolve(step.nodeId);
    return outside;
  };

  test("when a run fails, what has succeeded is undone, the last first", async () => {
    const outside = failing("ship");
    const runs = await processes.started(outside);
    const ended = await over(runs, await begin(runs, booking));
    expect(ended.error).toMatchObject({ code: "tool_failed", nodeId: "ship" });
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["book", "charge", "ship", "refund", "unbook"]);
    expect(outside.callsOf("unbook")[0]?.input).toMatchObject({ arguments: { what: "book" } });
  });

  test("what cannot be undone is listed, and the rest is undone all the same", async () => {
    const outside = failing("ship", "refund");
    const runs = await processes.started(outside);
    const run = await begin(runs, booking);
    await over(runs, run);
    const last = (await journalOf(runs, db.tenantId, run.id)).at(-1);
    expect(last).toMatchObject({ kind: "run_failed", body: { notUndone: [{ scope: "", nodeId: "charge" }] } });
    expect(outside.calls.at(-1)?.step.nodeId).toBe("unbook");
  });

  test("a cancelled run is undone too, and shows it; a cancel meanwhile changes nothing", async () => {
    const outside = new Outside();
    const [shipping, refunding] = [Promise.withResolvers<Json>(), Promise.withResolvers<Json>()];
    outside.answer = ({ step }) =>
      step.nodeId === "ship" ? shipping.promise : step.nodeId === "refund" ? refunding.promise : Promise.resolve(step.nodeId);
    const runs = await processes.started(outside);
    const run = await begin(runs, booking);
    await until(
      () => outside.callsOf("ship").length,
      (count) => count === 1,
    );
    await act(runs, cancelRun, run);
    await when(runs, run, ({ status }) => status === "compensating");
    const before = await kindsOf(runs, run);
    await act(runs, cancelRun, run);
    refunding.resolve("refunded");
    expect((await over(runs, run)).status).toBe("cancelled");
    expect(before.filter((kind) => kind === "cancel_requested")).toHaveLength(1);
    expect(outside.calls.map(({ step }) => step.nodeId)).toEqual(["book", "charge", "ship", "refund", "unbook"]);
  });

  test("force ends it at once and lists what was not undone", async () => {
    const outside = new Outside();
    outside.answer = ({ step }) => (step.nodeId === "refund" || step.nodeId === "ship" ? new Promise(() => {}) : Promise.resolve(1));
    const runs = await processes.started(outside);
    const run = await begin(runs, booking);
    await until(
      () => outside.callsOf("ship").length,
      (count) => count === 1,
    );
    await act(runs, cancelRun, run);
    await until(
      () => outside.callsOf("refund").length,
      (count) => count === 1,
    );
    await act(runs, cancelRun, run, { force: true, reason: "now" });
    expect((await over(runs, run)).status).toBe("cancelled");
    const last = (await journalOf(runs, db.tenantId, run.id)).at(-1);
    expect(last).toMatchObject({ kind: "run_cancelled", body: { notUndone: [{ nodeId: "charge" }, { nodeId: "book" }] } });
    expect(outside.callsOf("refund")[0]?.signal.aborted).toBe(true);
  });
});

describe("time limits and joins", () => {
  test("a run that takes longer than its definition allows fails, waiting included", async () => {
    const runs = await processes.started();
    const run = await begin(runs, { ...chain(wait("nap", { forMs: 60_000 }), endNode()), timeoutMs: 150 });
    expect((await over(runs, run)).error).toMatchObject({ code: "run_timeout" });
  });

  test("a join that waits for the first goes on at once; the loser's call is ended and never asked about", async () => {
    const outside = new Outside();
    outside.answer = ({ step }) => (step.nodeId === "slow" ? new Promise(() => {}) : Promise.resolve("fast"));
    const runs = await processes.started(outside);
    const run = await begin(
      runs,
      definition(
        [tool("fast"), tool("slow"), { id: "first", type: "join", data: { mode: "any" } }, tool("after"), endNode("=steps.first")],
        ["start>fast", "start>slow", "fast>first", "slow>first", "first>after", "after>end"],
      ),
    );
    const ended = await over(runs, run);
    expect(ended).toMatchObject({ status: "succeeded", output: { fast: "fast" }, questions: [] });
    const events = await journalOf(runs, db.tenantId, run.id);
    expect(events.filter(({ kind, nodeId }) => kind === "step_cancelled" && nodeId === "slow")).toMatchObject([
      { body: { outcome: "outcome_unknown" } },
    ]);
    expect(outside.callsOf("slow")[0]?.signal.aborted).toBe(true);
  });

  test("a join of n that cannot be met any more fails", async () => {
    const outside = new Outside();
    outside.answer = ({ step }) => (step.nodeId === "a" ? Promise.resolve(1) : Promise.reject(new AppError("tool_failed", "no")));
    const runs = await processes.started(outside);
    const branch = { onError: "branch" } as const;
    const run = await begin(
      runs,
      definition(
        [
          tool("a"),
          tool("b", branch),
          tool("c", branch),
          transform("no", 0),
          { id: "two", type: "join", data: { mode: "n", n: 2 } },
          endNode(),
        ],
        ["start>a", "start>b", "start>c", "a>two", "b>two", "c>two", "b:error>no", "two>end"],
      ),
    );
    expect((await over(runs, run)).error).toMatchObject({ code: "join_unsatisfied", nodeId: "two" });
  });

  test("a loop goes round until its condition is false, and context set by a step is seen by later ones", async () => {
    const runs = await processes.started();
    const run = await begin(
      runs,
      definition(
        [
          { id: "count", type: "loop", data: { while: "=index < 4" } },
          { ...transform("next", "=(item ? item : 1) * 2"), parentId: "count" },
          { id: "keep", type: "context", data: { set: { total: "=steps.count.last" } } },
          endNode("={'total': context.total, 'rounds': steps.count.rounds}"),
        ],
        ["start>count", "count>keep", "keep>end"],
      ),
    );
    expect((await over(runs, run)).output).toEqual({ total: 16, rounds: 4 });
    const context = await callRoute(runs.routes, getRunContext, { caller: ownerOf(db.tenantId), params: { id: run.id } });
    expect(context.values).toEqual({ total: 16 });
  });

  test("a loop that never ends is an error with its limit", async () => {
    const runs = await processes.started();
    const run = await begin(
      runs,
      definition(
        [{ id: "spin", type: "loop", data: { while: true, max: 5 } }, { ...transform("x", 1), parentId: "spin" }, endNode()],
        ["start>spin", "spin>end"],
      ),
    );
    expect((await over(runs, run)).error).toMatchObject({ code: "loop_exhausted", nodeId: "spin" });
  });
});

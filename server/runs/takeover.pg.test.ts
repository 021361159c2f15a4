import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import { cancelRun, resumeRun, type Run } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database, Tx } from "#server/kernel/ports.ts";
import { RoundTrip } from "#server/kernel/round-trip.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import { connect } from "#server/postgres/connection.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
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
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const processes = runProcesses(() => platform);

/** A process that does not look at the database by itself any more: as good as dead, until its calls return. */
const SILENT = { settings: { pollMs: 600_000 } };
const never = (): Promise<Json> => new Promise(() => {});
const one = (policy: Parameters<typeof tool>[1] = {}): DefinitionInput =>
  definition([tool("call", policy), endNode("=steps.call")], ["start>call", "call>end"]);

const begin = async (runs: Runs, of: DefinitionInput): Promise<Run> => startOf(runs, db.tenantId, await saveWorkflow(platform, of))();
const when = (runs: Runs, run: Run, isReady: (run: Run) => boolean): Promise<Run> =>
  runWhen(runs, { id: run.id, tenantId: db.tenantId }, isReady);
const kindsOf = async (runs: Runs, run: Run): Promise<string[]> => (await journalOf(runs, db.tenantId, run.id)).map(({ kind }) => kind);
const expireLease = (run: Run) => db.ownerPool.query("update runs set lease_until = now() - interval '1 s' where id = $1", [run.id]);
async function callMade(outside: Outside): Promise<StepCall> {
  for (;;) {
    const call = outside.calls.at(-1);
    if (call) return call;
    await pause(5);
  }
}

describe("a process that was frozen", () => {
  test("does not make a call for which somebody else may be asking by now", async () => {
    const outside = new Outside();
    const begun = Promise.withResolvers<void>();
    const frozen = Promise.withResolvers<Awaited<ReturnType<typeof outside.executor.prepare>>>();
    const slow = {
      ...outside.executor,
      prepare: () => {
        begun.resolve();
        return frozen.promise;
      },
    };
    const runs = await processes.started(outside, {
      settings: { pollMs: 600_000, leaseMs: 100 },
      executors: { ...outside.executors, mcp_tool: slow },
    });
    const run = await begin(runs, one());
    await begun.promise;
    await pause(150);
    frozen.resolve({});
    for (let kinds: string[] = []; !kinds.includes("step_started"); kinds = await kindsOf(runs, run)) await pause(5);
    await pause(50);
    expect(outside.calls).toEqual([]);
    const other = await processes.started(new Outside());
    const asked = await when(other, run, ({ questions }) => questions.length > 0);
    expect(asked.questions).toMatchObject([{ nodeId: "call" }]);
  });
});

describe("a worker that goes away", () => {
  test("a zombie's answer collides, its run is dropped and its call aborted; the new holder's answer counts", async () => {
    const [slow, quick] = [new Outside(), new Outside()];
    let answer: (value: Json) => void = () => {};
    slow.answer = () => new Promise((resolve) => (answer = resolve));
    quick.answer = () => Promise.resolve("from the new holder");
    const zombie = await processes.started(slow, SILENT);
    const run = await begin(zombie, one({ effect: "none" }));
    await callMade(slow);
    await expireLease(run);
    const successor = await processes.started(quick);
    const done = await when(successor, run, isOver);
    expect(done.output).toBe("from the new holder");
    answer("from the dead");
    while (zombie.activeCount() > 0) await pause(5);
    const kinds = await kindsOf(successor, run);
    expect(kinds.filter((kind) => kind === "run_succeeded")).toHaveLength(1);
    expect((await when(successor, run, isOver)).output).toBe("from the new holder");
  });

  test("a holder that finds its lease in other hands aborts its call", async () => {
    const [first, second] = [new Outside(), new Outside()];
    first.answer = never;
    second.answer = never;
    // Renews at every look, but its lease is taken from it in between.
    const loser = await processes.started(first, { settings: { pollMs: 300, leaseMs: 100 } });
    const run = await begin(loser, one({ effect: "none" }));
    const call = await callMade(first);
    await db.ownerPool.query(
      "update runs set owner = 'somebody else', epoch = epoch + 1, lease_until = now() + interval '1 day' where id = $1",
      [run.id],
    );
    while (!call.signal.aborted) await pause(5);
    expect(call.signal.reason).toMatchObject({ code: "run_lost" });
    expect(loser.activeCount()).toBe(0);
  });

  test("a takeover while the journal is being read is seen in it: the reader lets go and writes nothing", async () => {
    const [dead, late, quick] = [new Outside(), new Outside(), new Outside()];
    dead.answer = never;
    const answer = Promise.withResolvers<Json>();
    quick.answer = () => answer.promise;
    const run = await begin(await processes.started(dead, SILENT), one({ effect: "none" }));
    await callMade(dead);
    await expireLease(run);
    const database = interrupted(db.database, "seq > $2", async () => {
      await expireLease(run);
      await processes.started(quick);
      await callMade(quick);
    });
    const reader = await processes.started(late, { ...SILENT, database });
    while (quick.calls.length === 0 || reader.activeCount() > 0) await pause(5);
    answer.resolve("from the holder");
    expect((await when(reader, run, isOver)).output).toBe("from the holder");
    expect(late.calls).toHaveLength(0);
    const epochs = (await journalOf(reader, db.tenantId, run.id)).map(({ epoch }) => epoch);
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
  });

  test("a process that slept through its own lease ends what it held and begins anew", async () => {
    const outside = new Outside();
    outside.answer = (call) => (outside.calls.length === 1 ? never() : Promise.resolve(call.step.attempt));
    const runs = await processes.started(outside, { settings: { leaseMs: 86_400_000 } });
    const run = await begin(runs, one({ effect: "none" }));
    const before = await callMade(outside);
    await expireLease(run);
    expect((await when(runs, run, isOver)).status).toBe("succeeded");
    expect(before.signal.reason).toMatchObject({ code: "run_lost" });
    expect(runs.activeCount()).toBe(0);
  });

  test("a call without effect that was in flight is made again, with the same key", async () => {
    const [dead, alive] = [new Outside(), new Outside()];
    dead.answer = never;
    const run = await begin(await processes.started(dead, SILENT), one({ effect: "idempotent" }));
    const before = await callMade(dead);
    await expireLease(run);
    const done = await when(await processes.started(alive), run, isOver);
    expect(done.status).toBe("succeeded");
    expect(alive.calls).toHaveLength(1);
    expect(alive.calls[0]?.key).toBe(before.key);
    expect(alive.calls[0]?.input).toEqual(before.input);
  });

  test("a call that can be found again by its handle is taken up, not asked about", async () => {
    const [dead, alive] = [new Outside(), new Outside()];
    dead.prepared = { binding: { agent: "v3" } };
    dead.answer = async (call) => {
      await call.saveHandle({ kind: "a2a_task", id: "task-9" });
      return never();
    };
    const silent = await processes.started(dead, SILENT);
    const run = await begin(silent, one());
    while (!(await kindsOf(silent, run)).includes("step_handle")) await pause(5);
    await expireLease(run);
    const done = await when(await processes.started(alive), run, isOver);
    expect(done.status).toBe("succeeded");
    expect(alive.calls[0]).toMatchObject({ handle: { kind: "a2a_task", id: "task-9" }, binding: { agent: "v3" } });
  });

  test("steps that were finished are not executed again", async () => {
    const [dead, alive] = [new Outside(), new Outside()];
    dead.answer = (call) => (call.step.nodeId === "first" ? Promise.resolve("kept") : never());
    const chain = definition(
      [tool("first"), tool("second", { effect: "none" }), endNode("=steps.first")],
      ["start>first", "first>second", "second>end"],
    );
    const run = await begin(await processes.started(dead, SILENT), chain);
    while (dead.callsOf("second").length === 0) await pause(5);
    await expireLease(run);
    const done = await when(await processes.started(alive), run, isOver);
    expect(done.output).toBe("kept");
    expect(alive.callsOf("first")).toHaveLength(0);
  });

  test("an instance that comes back takes over its own runs at once, whatever their lease says", async () => {
    const [dead, alive] = [new Outside(), new Outside()];
    dead.answer = never;
    const run = await begin(await processes.started(dead, { ...SILENT, instanceId: "embedded" }), one({ effect: "none" }));
    await callMade(dead);
    await db.ownerPool.query("update runs set lease_until = now() + interval '1 day' where id = $1", [run.id]);
    const again = await processes.started(alive, { instanceId: "embedded", settings: { takeOverAtStart: true } });
    expect((await when(again, run, isOver)).status).toBe("succeeded");
  });

  test("a process that stops in good order hands its runs over without waiting for leases", async () => {
    const [leaving, staying] = [new Outside(), new Outside()];
    leaving.answer = never;
    const first = await processes.started(leaving, { settings: { leaseMs: 86_400_000 } });
    const run = await begin(first, one({ effect: "none" }));
    const call = await callMade(leaving);
    await first.stop();
    expect(call.signal.reason).toMatchObject({ code: "unavailable" });
    expect((await when(await processes.started(staying), run, isOver)).status).toBe("succeeded");
  });
});

describe("a once step in doubt", () => {
  async function inDoubt(alive: Outside): Promise<{ runs: Runs; run: Run }> {
    const dead = new Outside();
    dead.answer = never;
    const run = await begin(await processes.started(dead, SILENT), one());
    await callMade(dead);
    await expireLease(run);
    const runs = await processes.started(alive);
    return { runs, run: await when(runs, run, ({ status }) => status === "waiting") };
  }
  const resume = (runs: Runs, run: Run, body: object) =>
    callRoute(runs.routes, resumeRun, { caller: ownerOf(db.tenantId), params: { id: run.id }, body });

  test("parks with a question that names it, holding no memory", async () => {
    const alive = new Outside();
    const { runs, run } = await inDoubt(alive);
    expect(run.questions).toMatchObject([{ nodeId: "call", scope: "", question: expect.stringContaining("call") }]);
    expect(alive.calls).toHaveLength(0);
    expect(runs.activeCount()).toBe(0);
  });

  test("goes on with the given output when it happened", async () => {
    const alive = new Outside();
    const { runs, run } = await inDoubt(alive);
    const answered = await resume(runs, run, { answer: "happened", output: { id: 7 } });
    expect(answered.id).toBe(run.id);
    const done = await when(runs, run, isOver);
    expect(done).toMatchObject({ status: "succeeded", output: { id: 7 }, questions: [] });
    expect(alive.calls).toHaveLength(0);
  });

  test("is carried out under the same key when it did not happen", async () => {
    const alive = new Outside();
    const { runs, run } = await inDoubt(alive);
    await resume(runs, run, { answer: "did_not_happen", nodeId: "call" });
    expect((await when(runs, run, isOver)).status).toBe("succeeded");
    const starts = (await journalOf(runs, db.tenantId, run.id)).filter(({ kind }) => kind === "step_started");
    expect(new Set(starts.map(({ body }) => ("key" in body ? body.key : "")))).toEqual(new Set([alive.calls[0]?.key]));
  });

  test("is carried out under a new key when it shall run again", async () => {
    const alive = new Outside();
    const { runs, run } = await inDoubt(alive);
    await resume(runs, run, { answer: "run_again" });
    expect((await when(runs, run, isOver)).status).toBe("succeeded");
    const starts = (await journalOf(runs, db.tenantId, run.id)).filter(({ kind }) => kind === "step_started");
    expect(new Set(starts.map(({ body }) => ("key" in body ? body.key : ""))).size).toBe(2);
  });

  test("cannot be answered twice, nor under a wrong name", async () => {
    const alive = new Outside();
    const { runs, run } = await inDoubt(alive);
    await expect(resume(runs, run, { answer: "happened", nodeId: "other" })).rejects.toMatchObject({ code: "run_not_waiting" });
    await resume(runs, run, { answer: "happened" });
    await when(runs, run, isOver);
    await expect(resume(runs, run, { answer: "happened" })).rejects.toMatchObject({ code: "run_not_waiting" });
  });

  test("of two answers given before anybody looked, the first counts", async () => {
    const alive = new Outside();
    const { runs, run } = await inDoubt(alive);
    await runs.stop();
    const api = await processes.started(new Outside(), { drives: false });
    await resume(api, run, { answer: "happened", output: "first" });
    await resume(api, run, { answer: "run_again" });
    const next = await processes.started(alive);
    expect((await when(next, run, isOver)).output).toBe("first");
    const { rows } = await db.ownerPool.query("select id from run_inbox where run_id = $1", [run.id]);
    expect(rows).toHaveLength(0);
  });

  test("can be cancelled instead, and is recorded as unknown", async () => {
    const { runs, run } = await inDoubt(new Outside());
    await callRoute(runs.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: run.id }, body: {} });
    expect((await when(runs, run, isOver)).status).toBe("cancelled");
  });
});

describe("cancelling", () => {
  const cancel = (runs: Runs, run: Run, body: object = {}) =>
    callRoute(runs.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: run.id }, body });

  test("reaches an open call; what may have happened is recorded as unknown", async () => {
    const outside = new Outside();
    outside.answer = never;
    const runs = await processes.started(outside);
    const run = await begin(runs, one());
    const call = await callMade(outside);
    expect(await cancel(runs, run, { reason: "changed my mind" })).toMatchObject({ status: "cancelling" });
    expect(await when(runs, run, isOver)).toMatchObject({ status: "cancelled", output: null });
    expect(call.signal.aborted).toBe(true);
    const journal = await journalOf(runs, db.tenantId, run.id);
    expect(journal.find(({ kind }) => kind === "step_cancelled")?.body).toMatchObject({ outcome: "outcome_unknown" });
    expect(journal.find(({ kind }) => kind === "cancel_requested")?.body).toMatchObject({ by: "user:owner", reason: "changed my mind" });
  });

  test("a call without effect is recorded as cancelled", async () => {
    const outside = new Outside();
    outside.answer = never;
    const runs = await processes.started(outside);
    const run = await begin(runs, one({ effect: "none" }));
    await callMade(outside);
    await cancel(runs, run);
    await when(runs, run, isOver);
    const journal = await journalOf(runs, db.tenantId, run.id);
    expect(journal.find(({ kind }) => kind === "step_cancelled")?.body).toMatchObject({ outcome: "cancelled" });
  });

  test("is heard by a holder in another process, twice is once, and too late is refused", async () => {
    const outside = new Outside();
    outside.answer = never;
    const runs = await processes.started(outside);
    const api = await processes.started(new Outside(), { drives: false });
    const run = await begin(runs, one());
    await callMade(outside);
    await cancel(api, run);
    await cancel(api, run).catch((error: unknown) => expect(error).toMatchObject({ code: "run_transition_invalid" }));
    await when(api, run, isOver);
    expect((await kindsOf(api, run)).filter((kind) => kind === "cancel_requested")).toHaveLength(1);
    await expect(cancel(api, run)).rejects.toMatchObject({ code: "run_transition_invalid" });
  });

  test("comes too late for a run whose last event is on its way", async () => {
    const sending = Promise.withResolvers<void>();
    const mayGoOn = Promise.withResolvers<void>();
    /** Holds back the statement that ends a run. */
    const connectWorker = async () => {
      const client = await db.connectWorker();
      const send = client.query.bind(client);
      const query = (sent: unknown): unknown => {
        const isEnd = sent instanceof RoundTrip && sent.statements.some(({ name }) => name.startsWith("journal_ends"));
        if (!isEnd) return Reflect.apply(send, client, [sent]);
        sending.resolve();
        void mayGoOn.promise.then(() => send(sent));
        return sent;
      };
      return Object.assign(client, { query });
    };
    const runs = await processes.started(new Outside(), { connectWorker });
    const run = await begin(runs, definition([transform("a", 1), endNode()], ["start>a", "a>end"]));
    await sending.promise;
    expect(await cancel(runs, run)).toMatchObject({ status: "cancelling" });
    // Time for the holder to look into the inbox.
    await pause(150);
    mayGoOn.resolve();
    expect((await when(runs, run, isOver)).status).toBe("succeeded");
    await pause(50);
    expect((await kindsOf(runs, run)).at(-1)).toBe("run_succeeded");
  });

  test("of a run that nobody has begun ends it without a step", async () => {
    const api = await processes.started(new Outside(), { drives: false });
    const run = await begin(api, definition([transform("a", 1), endNode()], ["start>a", "a>end"]));
    expect(run.status).toBe("queued");
    await cancel(api, run);
    const runs = await processes.started(new Outside());
    expect((await when(runs, run, isOver)).status).toBe("cancelled");
  });
});

/** The database, with something done just before the first worker statement that contains `text`. */
function interrupted(database: Database, text: string, before: () => Promise<unknown>): Database {
  let isDone = false;
  const watch = (tx: Tx): Tx => ({
    query: async (statement, values) => {
      if (!isDone && statement.includes(text)) {
        isDone = true;
        await before();
      }
      return tx.query(statement, values);
    },
  });
  return { ...database, asWorker: (fn) => database.asWorker((tx) => fn(watch(tx))) };
}

describe("parking", () => {
  test("a message that comes in at that very moment is not lost", async () => {
    const api = await processes.started(new Outside(), { drives: false });
    const outside = new Outside();
    outside.answer = () => Promise.reject(new AppError("agent_offline", "gone", { retryable: true }));
    let parking: Run | undefined;
    const database = interrupted(db.database, "p.wait_ms", async () => {
      if (parking) await callRoute(api.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: parking.id }, body: {} });
    });
    // Never looks by itself, so that only the refused parking can make it look.
    const runs = await processes.started(outside, { ...SILENT, database });
    parking = await begin(api, one({ retry: { maxAttempts: 2, backoffMs: 3_600_000 } }));
    const holder = await processes.started(outside, { ...SILENT, database });
    expect((await when(holder, parking, isOver)).status).toBe("cancelled");
    expect(runs.activeCount()).toBe(0);
  });

  test("a failure to park keeps the run, which goes on when its time comes", async () => {
    const outside = new Outside();
    outside.answer = (call) =>
      call.step.attempt === 1 ? Promise.reject(new AppError("agent_offline", "gone", { retryable: true })) : Promise.resolve("ok");
    const database = interrupted(db.database, "p.wait_ms", () => Promise.reject(new AppError("database_unavailable", "away for a moment")));
    const runs = await processes.started(outside, { database });
    const run = await begin(runs, one({ retry: { maxAttempts: 2, backoffMs: 200, jitter: 0 } }));
    expect((await when(runs, run, isOver)).output).toBe("ok");
  });
});

describe("many runs", () => {
  test("starts beyond the limit wait in the table and all finish", async () => {
    const outside = new Outside();
    let most = 0;
    const runs = await processes.started(outside, { settings: { maxLiveRuns: 3 } });
    outside.answer = async () => {
      most = Math.max(most, runs.activeCount());
      await pause(2);
      return null;
    };
    const start = startOf(runs, db.tenantId, await saveWorkflow(platform, one({ effect: "none" })));
    const started = await Promise.all(Array.from({ length: 20 }, () => start()));
    expect(started.some(({ status }) => status === "queued")).toBe(true);
    for (const run of started) expect((await when(runs, run, isOver)).status).toBe("succeeded");
    expect(most).toBeLessThanOrEqual(3);
  });

  test("connections that break under way cost nothing: every step is stored once and every run ends", async () => {
    const outside = new Outside();
    outside.answer = async () => {
      await pause(1);
      return null;
    };
    const runs = await processes.started(outside);
    const steps = Array.from({ length: 12 }, (_, i) => `s${i}`);
    const chain = definition(
      [...steps.map((id, i) => (i % 4 === 0 ? tool(id) : transform(id, i))), endNode()],
      [...steps, "end"].map((id, i) => `${i === 0 ? "start" : `s${i - 1}`}>${id}`),
    );
    const start = startOf(runs, db.tenantId, await saveWorkflow(platform, chain));
    const started = await Promise.all(Array.from({ length: 30 }, () => start()));
    const admin = await connect(db.url());
    const broken = [];
    for (let i = 0; i < 6; i += 1) {
      const { rows } = await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'auterity_worker' and datname = current_database()",
      );
      broken.push(...rows);
      await pause(15);
    }
    await admin.end();
    expect(broken.length).toBeGreaterThan(0);
    for (const run of started) {
      expect((await when(runs, run, isOver)).status).toBe("succeeded");
      const seqs = (await journalOf(runs, db.tenantId, run.id)).map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    }
    expect(outside.calls).toHaveLength(30 * 3);
  });

  test("a run that cannot be read is left for later and holds up nobody", async () => {
    const api = await processes.started(new Outside(), { drives: false });
    const broken = await begin(api, one());
    await db.ownerPool.query("delete from workflow_versions where workflow_id = $1", [broken.workflowId]);
    // A platform of its own, so that the definition is not remembered.
    const runs = createProcess({ ...platform, base: { ...platform.base, plans: createPlatform(db).workflows } }, new Outside());
    processes.keep(runs);
    await runs.start();
    const fine = await begin(runs, one());
    expect((await when(runs, fine, isOver)).status).toBe("succeeded");
    const readOwner = async () => {
      const { rows } = await db.ownerPool.query<{ owner: string | null; isLater: boolean }>(
        "select owner, wake_at > now() + interval '10 s' as \"isLater\" from runs where id = $1",
        [broken.id],
      );
      return rows[0];
    };
    for (let row = await readOwner(); row?.owner !== null || !row.isLater; row = await readOwner()) await pause(5);
    await db.ownerPool.query("update runs set wake_at = null where id = $1", [broken.id]);
  });

  test("an event that cannot be stored fails its run and says so", async () => {
    const outside = new Outside();
    const runs = await processes.started(outside);
    // The journal refuses this node's success, as it would refuse any value that it cannot hold.
    await db.ownerPool.query("alter table run_journal add constraint refused check (node_id is distinct from 'unstorable') not valid");
    const run = await begin(runs, definition([tool("unstorable", { effect: "none" }), endNode()], ["start>unstorable", "unstorable>end"]));
    const done = await when(runs, run, isOver);
    await db.ownerPool.query("alter table run_journal drop constraint refused");
    expect(done).toMatchObject({ status: "failed", error: { code: "internal" } });
    expect((await kindsOf(runs, run)).at(-1)).toBe("run_failed");
    expect(runs.activeCount()).toBe(0);
  });
});

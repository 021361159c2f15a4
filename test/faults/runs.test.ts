import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { isFinal } from "#contract/runs.ts";
import { ApiError } from "#sdk/client.ts";
import { newId } from "#server/kernel/ids.ts";
import { eventually } from "#test/support/eventually.ts";
import { Arena, type FaultWorker } from "#test/support/faults/arena.ts";
import { readLedger, type RunEvidence } from "#test/support/faults/evidence.ts";
import { enter, end, parentOf, saveWorkload, UNDONE, workflow } from "#test/support/faults/workload.ts";
import { random, SEEDS } from "#test/support/random.ts";

const IS_FULL = SEEDS.length > 1;
const RACES = IS_FULL ? 1_000 : 100;
const PARKING = /wait_ms/;
/** The executor's own number. */
const MAX_CRASHES = 5;
const ASIDE = { forMs: 4_000 } as const;

describe.each(SEEDS)("what people and tools do to runs, seed %s", (seed) => {
  const next = random(seed);
  const any = (most: number): number => Math.floor(next() * most);
  let arena: Arena;
  let linear = "";
  beforeAll(async () => {
    arena = await Arena.start(seed, ["all", "all"]);
    [linear = ""] = await saveWorkload(arena);
  });
  afterAll(() => arena.close());

  const workers = (): [FaultWorker, FaultWorker] => {
    const [a, b] = arena.workers;
    if (!a || !b) throw new Error("two workers were started");
    return [a, b];
  };
  const anyone = (): FaultWorker => workers()[any(2) === 0 ? 0 : 1];
  const start = (workflowId: string, input: Json = { delayMs: 5 }, by?: FaultWorker): Promise<string> =>
    arena.startRun({ workflowId, input, ...(by && { by }) });
  const over = async (): Promise<ReadonlyMap<string, RunEvidence>> => {
    await arena.settle(40_000);
    return (await arena.verdict({ overBy: Date.now() })).answers;
  };
  const statusOf = (answers: ReadonlyMap<string, RunEvidence>, id: string): string | undefined => answers.get(id)?.run.status;
  const journalOf = async (id: string): Promise<JournalEvent[]> =>
    (await arena.client.getRunJournal({ params: { id }, query: { limit: 1_000 } })).items;
  const reaches = (id: string, kind: JournalEvent["kind"], nodeId?: string): Promise<unknown> =>
    eventually(
      () => journalOf(id),
      (events) => events.some((event) => event.kind === kind && (nodeId === undefined || event.nodeId === nodeId)),
    );
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "ok",
      (error: unknown) => (error instanceof ApiError ? error.code : String(error)),
    );

  test("F23: the same start many times at once is one run; the same key for something else is refused", async () => {
    const [a, b] = workers();
    const headers = { "idempotency-key": newId() };
    const call = { params: { id: linear }, headers, body: { input: { delayMs: 5 } } };
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b).client.startRun(call)));
    const ids = new Set(answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value.id] : [])));
    expect(ids.size).toBe(1);
    arena.accept(...ids);
    const other = b.client.startRun({ ...call, body: { input: { delayMs: 6 } } });
    expect(await codeOf(other)).toBe("idempotency_conflict");
    await over();
  });

  test("F26 F27: tools that end instead of answering, answer twice, half or too late: one effect a step, late words count for nothing", async () => {
    const once = (after: string) =>
      workflow(`Once ${after}`, [enter("call", { after }), enter("z"), end("=steps.call.text")], ["start>call>z>end"]);
    const idempotent = workflow(
      "Repeatable",
      [
        enter("call", { after: "drop", policy: { effect: "idempotent", retry: { maxAttempts: 6, backoffMs: 300, on: ["mcp_exited"] } } }),
        end(),
      ],
      ["start>call>end"],
    );
    const late = workflow("Late", [enter("call", { delayMs: 400, policy: { timeoutMs: 300 } }), end()], ["start>call>end"]);
    const results: Record<string, string> = {};
    // One after another: a server that ends takes the calls of its neighbours with it.
    for (const definition of [once("drop"), once("half"), once("twice"), idempotent, late]) {
      const id = await start(await arena.saveWorkflow(definition));
      results[definition.name] = id;
      await arena.settle(20_000);
    }
    const { answers, ledger } = await arena.verdict({ overBy: Date.now() });
    const ends = Object.entries(results).map(([name, id]) => {
      const run = answers.get(id)?.run;
      return [name, run?.error?.code ?? run?.status];
    });
    // What may have happened and must not happen twice is not tried again.
    const unsure = { "Once drop": "mcp_exited", "Once half": "mcp_exited", Late: "step_timeout" };
    expect(Object.fromEntries(ends)).toEqual({ ...unsure, "Once twice": "succeeded", Repeatable: "succeeded" });
    const keys = ledger.filter(({ entry }) => entry === `${results["Repeatable"]}/call`).map(({ key }) => key);
    expect(keys.length, "the repeatable call was made again").toBeGreaterThan(1);
    expect(new Set(keys).size, "under one key").toBe(1);
  });

  test(`F30: ${RACES} cancels against the end: one end each, and whoever was told so was cancelled or came too late`, async () => {
    const quick = await arena.saveWorkflow(
      workflow("Quick", [{ id: "one", type: "transform", data: { output: 1 } }, end()], ["start>one>end"]),
    );
    const heard = new Map<string, string>();
    await inTurns(RACES, 10, async () => {
      const id = await start(quick, {}, anyone());
      await pause(any(4));
      heard.set(id, await codeOf(anyone().client.cancelRun({ params: { id } })));
    });
    const answers = await over();
    for (const [id, code] of heard) {
      expect(["ok", "run_transition_invalid"]).toContain(code);
      if (code !== "ok") expect(statusOf(answers, id)).toBe("succeeded");
    }
  });

  test(`F29: ${RACES} approvals decided twice, late and against a cancel: one outcome each, the same for the run and the approval`, async () => {
    const asks = await arena.saveWorkflow(
      workflow(
        "Asks",
        [{ id: "may", type: "approval", data: { approvers: ["role:owner"], deadline: 600_000 } }, enter("act", { delayMs: 1 }), end()],
        ["start>may>act>end"],
      ),
    );
    await inTurns(RACES, 10, async () => {
      const id = await start(asks, {}, anyone());
      const approval = await eventually(
        async () => (await arena.client.listApprovals({ query: { runId: id } })).items[0],
        (found) => found !== undefined,
      );
      const params = { id: approval?.id ?? "" };
      const decide = (decision: "approve" | "reject") => codeOf(anyone().client.decideApproval({ params, body: { decision } }));
      const cancel = codeOf(anyone().client.cancelRun({ params: { id } }));
      const codes = await Promise.all([decide("approve"), decide(any(2) === 0 ? "approve" : "reject"), cancel]);
      for (const code of codes) expect(["ok", "approval_closed", "run_transition_invalid"]).toContain(code);
      await arena.client.getRun({ params: { id } });
      expect(await codeOf(lateDecision(params, id))).toBe("approval_closed");
    });
    const answers = await over();
    for (const [id, { journal }] of answers) {
      const [approval] = (await arena.client.listApprovals({ query: { runId: id } })).items;
      const wasActedUpon = journal.some(({ kind, nodeId }) => kind === "step_started" && nodeId === "act");
      if (wasActedUpon) expect(approval?.status, "acted upon only when approved").toBe("approved");
      expect(approval?.status).not.toBe("pending");
    }
  });

  async function lateDecision(params: { id: string }, runId: string): Promise<unknown> {
    await eventually(
      () => arena.client.getRun({ params: { id: runId } }),
      ({ status }) => isFinal(status),
    );
    return arena.client.decideApproval({ params, body: { decision: "approve" } });
  }

  async function inTurns(count: number, atOnce: number, act: () => Promise<void>): Promise<void> {
    let left = count;
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await act();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
  }

  test("a signal that lands while its run parks, and one before its step waits, are both heard", async () => {
    const [a, b] = workers();
    const listens = await arena.saveWorkflow(
      workflow("Listens", [{ id: "word", type: "wait", data: { signal: "go" } }, end("=steps.word")], ["start>word>end"]),
    );
    const caught = a.database.trap(PARKING, "statement");
    const parking = await start(listens, {}, a);
    const statement = await caught;
    await b.client.signalRun({ params: { id: parking, signal: "go" }, body: { payload: 1 } });
    statement.release();
    const early = await start(
      await arena.saveWorkflow(
        workflow("Later", [enter("a"), { id: "word", type: "wait", data: { signal: "go" } }, end()], ["start>a>word>end"]),
      ),
      { delayMs: 300 },
      a,
    );
    await b.client.signalRun({ params: { id: early, signal: "go" }, body: { payload: 2 } });
    const answers = await over();
    expect([parking, early].map((id) => statusOf(answers, id))).toEqual(["succeeded", "succeeded"]);
  });

  test("a child that ends while its parent parks, is parked, or is dead wakes it all the same", async () => {
    const [a, b] = workers();
    const parent = await arena.saveWorkflow(parentOf(linear));
    const caught = a.database.trap(PARKING, "statement");
    const parking = await start(parent, { delayMs: 60 }, a);
    const statement = await caught;
    await reaches(parking, "step_waiting", "child");
    await eventually(
      () => arena.superuser.query("select from runs where parent_run_id = $1 and finished_at is not null", [parking]),
      ({ rowCount }) => rowCount === 1,
    );
    statement.release();
    const parked = await start(parent, { delayMs: 300 }, a);
    const orphaned = await start(parent, { delayMs: 200 }, b);
    await reaches(orphaned, "step_waiting", "child");
    await b.kill();
    await b.start();
    await arena.expireLeases();
    const answers = await over();
    expect([parking, parked, orphaned].map((id) => answers.get(id)?.run.error?.message ?? statusOf(answers, id))).toEqual([
      "succeeded",
      "succeeded",
      "succeeded",
    ]);
  });

  test("F03: a cancel during compensation changes nothing, nor does the death of the worker", async () => {
    const [a, b] = workers();
    const undone = await arena.saveWorkflow(UNDONE);
    const cancelled = await start(undone, { delayMs: 150 }, b);
    const orphaned = await start(undone, { delayMs: 400 }, a);
    await Promise.all([reaches(cancelled, "step_started", "undo_b"), reaches(orphaned, "step_started", "undo_b")]);
    arena.history.mark(`cancel during compensation: ${await codeOf(b.client.cancelRun({ params: { id: cancelled } }))}`);
    await a.kill();
    await a.start();
    await arena.expireLeases([orphaned]);
    const answers = await over();
    for (const id of [cancelled, orphaned]) {
      // Undone by its own word, or by that of whoever looked into the ledger.
      const ends = new Set(["step_succeeded", "step_answered"]);
      const undoing = answers.get(id)?.journal.filter(({ kind, nodeId }) => ends.has(kind) && nodeId?.startsWith("undo_"));
      expect(statusOf(answers, id)).toBe("failed");
      expect(undoing?.map(({ nodeId }) => nodeId)).toEqual(["undo_b", "undo_a"]);
    }
  });

  test("F31: runs in flight stay on their version when a new one is published", async () => {
    const version = (output: number) =>
      workflow("Versions", [enter("a"), { id: "hold", type: "wait", data: { forMs: 1_500 } }, end(output)], ["start>a>hold>end"]);
    const id = await arena.saveWorkflow(version(1));
    const old = await start(id);
    await arena.client.updateWorkflow({ params: { id }, body: { definition: JSON.parse(JSON.stringify(version(2))) } });
    const fresh = await start(id);
    const answers = await over();
    expect([old, fresh].map((run) => [answers.get(run)?.run.version, answers.get(run)?.run.output])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  test("F25: a run whose journal cannot be read holds up nobody and is dead in the end, with the reason; mended and requeued, it goes on", async () => {
    const aside = await arena.saveWorkflow(workflow("Aside", [{ id: "hold", type: "wait", data: ASIDE }, end()], ["start>hold>end"]));
    const poisoned = await start(aside);
    const isNow = (condition: string): Promise<unknown> =>
      eventually(
        () => arena.superuser.query(`select from runs where id = $1 and ${condition}`, [poisoned]),
        ({ rowCount }) => rowCount === 1,
      );
    await isNow("owner is null");
    const body = "update run_journal set body = $2 where run_id = $1 and seq = 1";
    const { rows } = await arena.superuser.query<{ body: Buffer }>("select body from run_journal where run_id = $1 and seq = 1", [
      poisoned,
    ]);
    // What was read of it before must not be remembered either.
    await arena.superuser.query("delete from run_snapshots where run_id = $1", [poisoned]);
    await arena.superuser.query(body, [poisoned, Buffer.from("undecodable")]);
    const neighbours = await Promise.all(Array.from({ length: 10 }, (_, i) => start(linear, { delayMs: 5 }, workers()[i % 2])));
    for (let crashes = 1; crashes <= MAX_CRASHES; crashes += 1) {
      await arena.superuser.query("update runs set wake_at = now() where id = $1", [poisoned]);
      await isNow(`owner is null and crash_count = ${crashes}`);
    }
    for (const id of neighbours) await arena.client.waitForRun(id);
    const { items } = await arena.client.listRuns({ query: { dead: "true" } });
    expect(items.map(({ id, dead }) => ({ id, reason: dead?.reason }))).toEqual([
      { id: poisoned, reason: expect.stringContaining("could not be read") },
    ]);
    await arena.superuser.query(body, [poisoned, rows[0]?.body]);
    const answers = await over();
    expect(statusOf(answers, poisoned)).toBe("succeeded");
  });

  test("1,000 once steps in doubt at a time: none is repeated by itself, one answer a run settles them", async () => {
    const [a] = workers();
    const each = (after: string) =>
      workflow(
        `In doubt, ${after}`,
        [
          { id: "each", type: "map", data: { items: "=[1..63]", concurrency: 63 } },
          enter("item", { parentId: "each", scope: "/each[{{ index }}]", delayMs: 0, after }),
          end(),
        ],
        ["start>each>end"],
      );
    const happened = await arena.saveWorkflow(each("hang"));
    const notHappened = await arena.saveWorkflow(each("stall"));
    const runs = await Promise.all(Array.from({ length: 16 }, (_, i) => start(i % 4 === 0 ? notHappened : happened, {}, a)));
    const count = async (kind: string): Promise<number> => {
      const { rows } = await arena.superuser.query<{ count: number }>(
        "select count(*)::int as count from run_journal where run_id = any($1::uuid[]) and kind = $2",
        [runs, kind],
      );
      return rows[0]?.count ?? 0;
    };
    await eventually(
      () => count("step_started"),
      (started) => started === 16 * 63,
    );
    const ofThese = (): number => readLedger(arena.ledgerFile).filter(({ entry }) => runs.includes(entry.slice(0, 36))).length;
    await eventually(
      () => Promise.resolve(ofThese()),
      (entered) => entered === 12 * 63,
    );
    await pause(200);
    await a.kill();
    await arena.expireLeases(runs);
    await eventually(
      () => count("step_parked"),
      (parked) => parked === 16 * 63,
    );
    expect(ofThese(), "carried out again").toBe(12 * 63);
    for (const [i, id] of runs.entries()) {
      const answer = i % 4 === 0 ? ("did_not_happen" as const) : ("happened" as const);
      await arena.client.resumeRun({ params: { id }, body: { answer } });
    }
    const answers = await over();
    expect(runs.filter((id) => statusOf(answers, id) === "succeeded")).toHaveLength(16);
    expect(ofThese(), "each exactly once").toBe(16 * 63);
    await a.start();
  });
});

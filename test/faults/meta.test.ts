import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { cancelRun, type Run } from "#contract/runs.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database, Tx } from "#server/kernel/ports.ts";
import { RoundTrip } from "#server/kernel/round-trip.ts";
import type { Runs } from "#server/runs/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { collect, type LedgerLine } from "#test/support/faults/evidence.ts";
import { History } from "#test/support/faults/history.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
import { check } from "#test/support/run-checker.ts";
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

/*
 * Who checks the checker? Each rule that keeps runs safe is taken out of the executor, on the way of its statements to the
 * database, and the checker must go red; with the statements as they are, the same course of events must be green.
 */

let db: TestDatabase;
let platform: Platform;
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
});
afterAll(() => db.close());

const processes = runProcesses(() => platform);

/** The head and the rows of the statement by which events are stored. */
const INSERT = /(insert into run_journal \([^)]*\)\s*)(select unnest[^]*?now\(\)\)\))/;
const COLUMNS = "run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at";

type Broken = { find: RegExp; instead: string };
const INTACT: Broken = { find: /$^/, instead: "" };

/** Statements on their way to the database, changed. `count` says how many were: a change that never applies proves nothing. */
class Build {
  count = 0;
  readonly #broken: Broken;
  /** Called before the first worker statement that contains the text. */
  before: { text: string; act: () => Promise<unknown> } | undefined;

  constructor(broken: Broken) {
    this.#broken = broken;
  }

  #rewrite(text: string): string {
    const changed = text.replace(this.#broken.find, this.#broken.instead);
    if (changed !== text) this.count += 1;
    return changed;
  }

  readonly database: Database = {
    asTenant: (tenantId, fn) => db.database.asTenant(tenantId, fn),
    statement: (tenantId, statement) => db.database.statement(tenantId, statement),
    asWorker: (fn) => db.database.asWorker((tx) => fn(this.#watch(tx))),
  };

  #watch(tx: Tx): Tx {
    return {
      query: async (text, values) => {
        const { before } = this;
        if (before && text.includes(before.text)) {
          this.before = undefined;
          await before.act();
        }
        return tx.query(this.#rewrite(text), values);
      },
    };
  }

  readonly connectWorker = async (): Promise<pg.Client> => {
    const client = await db.connectWorker();
    const send = client.query.bind(client);
    const query = (sent: unknown): unknown =>
      sent instanceof RoundTrip
        ? send(new RoundTrip(...sent.statements.map((statement) => ({ ...statement, text: this.#rewrite(statement.text) }))))
        : Reflect.apply(send, client, [sent]);
    return Object.assign(client, { query });
  };
}

async function processWith(build: Build, outside: Outside, pollMs = 25): Promise<Runs> {
  const { database, connectWorker } = build;
  const runs = createProcess(platform, outside, { database, connectWorker, settings: { pollMs, leaseMs: 60_000 } });
  processes.keep(runs);
  await runs.start();
  return runs;
}

/** A process that does not look at the database by itself. */
const SILENT_MS = 600_000;

/** The invariants that the checker finds broken. */
async function brokenPromises(runs: Runs, ids: readonly string[], ledger: readonly LedgerLine[] = []): Promise<string[]> {
  const { tenantId } = db;
  const evidence = await collect({
    accepted: ids,
    history: new History(0),
    superuser: db.ownerPool,
    api: {
      getRun: (id) => runs.getRun(tenantId, id),
      getJournal: (id) => journalOf(runs, tenantId, id),
      getDefinition: async (workflowId, version) => {
        const { rows } = await db.ownerPool.query<{ definition: string }>(
          "select definition from workflow_versions where workflow_id = $1 and version = $2",
          [workflowId, version],
        );
        return JSON.parse(rows[0]?.definition ?? "null");
      },
      // The chain has broken builds of its own, beside the audit slice.
      verifyAudit: () => Promise.resolve({ valid: true }),
    },
  });
  return [...new Set(check({ ...evidence, ledger }).map(({ invariant }) => invariant))];
}

const start = async (runs: Runs, of: ReturnType<typeof definition>): Promise<Run> =>
  startOf(runs, db.tenantId, await saveWorkflow(platform, of))();
const when = (runs: Runs, { id }: Run, isReady: (run: Run) => boolean): Promise<Run> =>
  runWhen(runs, { id, tenantId: db.tenantId }, isReady);

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(5);
}

describe("the fence", () => {
  /** A worker goes silent in the middle of a step and comes back when another one is two steps further. */
  async function zombie(broken: Broken): Promise<{ promises: string[]; changed: number }> {
    const build = new Build(broken);
    const ledger: LedgerLine[] = [];
    const [slow, quick] = [new Outside(), new Outside()];
    const gates = { first: Promise.withResolvers<Json>(), second: Promise.withResolvers<Json>() };
    const enter = (call: (typeof slow.calls)[number]): void => {
      const { runId, scope, nodeId } = call.step;
      if (nodeId !== "first") ledger.push({ entry: `${runId}${scope}/${nodeId}`, key: call.key, at: Date.now() });
    };
    slow.answer = (call) => {
      enter(call);
      return call.step.nodeId === "first" ? gates.first.promise : Promise.resolve(null);
    };
    quick.answer = (call) => {
      enter(call);
      return call.step.nodeId === "second" ? gates.second.promise : Promise.resolve(null);
    };
    const chain = definition(
      [tool("first", { effect: "none" }), tool("second"), tool("third"), endNode()],
      ["start>first", "first>second", "second>third", "third>end"],
    );
    const old = await processWith(build, slow, SILENT_MS);
    const run = await start(old, chain);
    await until(() => slow.calls.length === 1);
    await db.ownerPool.query("update runs set lease_until = now() - interval '1 s' where id = $1", [run.id]);
    const holder = await processWith(build, quick);
    await until(() => quick.callsOf("second").length === 1);
    gates.first.resolve("from the dead");
    await Promise.race([until(() => old.activeCount() === 0), pause(1_000)]);
    gates.second.resolve("from the holder");
    await when(holder, run, isOver);
    await Promise.race([until(() => old.activeCount() + holder.activeCount() === 0), pause(1_000)]);
    return { promises: await brokenPromises(holder, [run.id], ledger), changed: build.count };
  }

  test("as it is: green", async () => {
    expect(await zombie(INTACT)).toEqual({ promises: [], changed: 0 });
  });

  test("a writer that takes a collision for success: red", async () => {
    const { promises, changed } = await zombie({ find: INSERT, instead: "$1 $2 on conflict do nothing" });
    expect(changed).toBeGreaterThan(0);
    expect(promises).toEqual(expect.arrayContaining(["I2 one effect", "I6 fencing"]));
  });

  test("a takeover that does not raise the epoch: red", async () => {
    const { promises, changed } = await zombie({ find: /epoch = runs\.epoch \+ 1/, instead: "epoch = runs.epoch" });
    expect(changed).toBeGreaterThan(0);
    expect(promises).toContain("I6 fencing");
  });
});

describe("the inbox", () => {
  /** A message comes in at the moment in which the run is being parked for an hour. */
  async function parking(broken: Broken): Promise<{ promises: string[]; changed: number }> {
    const build = new Build(broken);
    const outside = new Outside();
    outside.answer = () => Promise.reject(new AppError("agent_offline", "gone", { retryable: true }));
    const runs = await processWith(build, outside, SILENT_MS);
    const waits = definition([tool("call", { retry: { maxAttempts: 2, backoffMs: 3_600_000 } }), endNode()], ["start>call", "call>end"]);
    const started = Promise.withResolvers<Run>();
    const api = await processWith(new Build(INTACT), new Outside(), SILENT_MS);
    build.before = {
      text: "p.wait_ms",
      act: async () =>
        callRoute(api.routes, cancelRun, { caller: ownerOf(db.tenantId), params: { id: (await started.promise).id }, body: {} }),
    };
    started.resolve(await start(runs, waits));
    const run = await started.promise;
    await until(() => build.before === undefined);
    await until(() => runs.activeCount() === 0);
    return { promises: await brokenPromises(runs, [run.id]), changed: build.count };
  }

  test("as it is: green", async () => {
    expect(await parking(INTACT)).toEqual({ promises: [], changed: 0 });
  });

  test("parking without a look at what has come in: red", async () => {
    const { promises, changed } = await parking({ find: /runs\.inbox_seq = p\.inbox_seq/, instead: "true" });
    expect(changed).toBeGreaterThan(0);
    expect(promises).toContain("I1 nobody is forgotten");
  });
});

describe("the batch", () => {
  /** One event of an append cannot be stored. */
  async function unstorable(broken: Broken): Promise<{ promises: string[]; changed: number }> {
    const build = new Build(broken);
    const runs = await processWith(build, new Outside());
    await db.ownerPool.query("alter table run_journal add constraint refused check (node_id is distinct from 'unstorable') not valid");
    const fan = definition(
      [transform("one", 1), transform("unstorable", 2), transform("three", 3), endNode()],
      ["start>one", "start>unstorable", "start>three", "one>end", "unstorable>end", "three>end"],
    );
    const run = await start(runs, fan);
    await until(() => runs.activeCount() === 0);
    await db.ownerPool.query("alter table run_journal drop constraint refused");
    return { promises: await brokenPromises(runs, [run.id]), changed: build.count };
  }

  test("as it is: green", async () => {
    expect(await unstorable(INTACT)).toEqual({ promises: [], changed: 0 });
  });

  test("a batch that stores what it can of a run: red", async () => {
    const instead = `$1 select * from ($2) as r (${COLUMNS}) where node_id is distinct from 'unstorable'`;
    const { promises, changed } = await unstorable({ find: INSERT, instead });
    expect(changed).toBeGreaterThan(0);
    expect(promises).toContain("I1 numbers are contiguous");
  });
});

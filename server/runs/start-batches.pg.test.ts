import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Database } from "#server/kernel/ports.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { runProcesses } from "#test/support/run-processes.ts";
import {
  createPlatform,
  definition,
  endNode,
  isOver,
  Outside,
  runWhen,
  saveWorkflow,
  transform,
  type Platform,
} from "#test/support/runs.ts";
import type { Runs } from "./index.ts";

let db: TestDatabase;
let platform: Platform;
let workflowId = "";
const processes = runProcesses(() => platform);
beforeAll(async () => {
  db = await testDatabase();
  platform = createPlatform(db);
  workflowId = await saveWorkflow(platform, definition([transform("a", "=input.n"), endNode("=steps.a")], ["start>a", "a>end"]));
});
afterAll(() => db.close());
let runs: Runs;
beforeEach(async () => {
  runs = await started(platform.base.database);
});
const started = (database: Database): Promise<Runs> => processes.started(new Outside(), { database });

const start = (n: number, by = runs, idempotencyKey?: string) =>
  by.startRun({ tenantId: db.tenantId, initiator: "user:owner", workflowId, input: { n }, idempotencyKey });
const over = (id: string) => runWhen(runs, { id, tenantId: db.tenantId }, isOver);
const auditLines = async (id: string) =>
  (await db.ownerPool.query("select action from audit_log where target = $1", [`run:${id}`])).rows.map(({ action }) => action);

test("starts of two processes, among other writers of the trail, all happen with one audit line each", async () => {
  const other = await started(platform.base.database);
  const noise = Array.from({ length: 20 }, (_, i) =>
    db.database.asTenant(db.tenantId, (tx) =>
      platform.base.audit.record(tx, { tenantId: db.tenantId, actor: "user:owner", action: "noise.made", target: `noise:${i}` }),
    ),
  );
  const starts = await Promise.all(Array.from({ length: 120 }, (_, n) => start(n, n % 2 === 0 ? runs : other)));
  await Promise.all(noise);
  for (const [n, { id }] of starts.entries()) {
    expect(await over(id)).toMatchObject({ status: "succeeded", output: n });
    expect(await auditLines(id)).toEqual(["run.started"]);
  }
});

test("a taken key in a batch leaves out its own start only", async () => {
  const first = await start(1, runs, "taken");
  const other = await started(platform.base.database);
  const together = await Promise.all([
    ...["taken", "new-1", "new-2"].map((key) => start(1, runs, key)),
    ...["taken", "new-1", "new-3"].map((key) => start(1, other, key)),
  ]);
  const ids = together.map(({ id }) => id);
  expect([ids[0], ids[3]]).toEqual([first.id, first.id]);
  expect(ids[1]).toBe(ids[4]);
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(await auditLines(id)).toEqual(["run.started"]);
});

const lostConnection = new AppError("database_unavailable", "The connection was lost.", { retryable: true });

test("a connection that had broken before costs nothing but another look", async () => {
  const breaking: Database = {
    ...db.database,
    statement: (tenantId, statement) =>
      statement.name === "start_runs" ? Promise.reject(lostConnection) : db.database.statement(tenantId, statement),
  };
  const { id } = await start(7, await started(breaking));
  expect(await over(id)).toMatchObject({ status: "succeeded", output: 7 });
  expect(await auditLines(id)).toEqual(["run.started"]);
});

test("when the answer to a start is lost, the run is not started twice, and it is driven", async () => {
  const deaf: Database = {
    ...db.database,
    statement: async (tenantId, statement) => {
      const rows = await db.database.statement(tenantId, statement);
      if (statement.name === "start_runs") throw lostConnection;
      return rows;
    },
  };
  await expect(start(1_234_567, await started(deaf))).rejects.toMatchObject({ code: "database_unavailable" });
  const { rows } = await db.ownerPool.query<{ id: string }>("select id from runs where input = $1", [Buffer.from('\0{"n":1234567}')]);
  expect(rows).toHaveLength(1);
  expect(await over(rows[0]?.id ?? "")).toMatchObject({ status: "succeeded", output: 1_234_567 });
  expect(await auditLines(rows[0]?.id ?? "")).toEqual(["run.started"]);
});

describe("what a process remembers of a workflow", () => {
  const save = async (n: number): Promise<string> => {
    const steps = definition([transform("a", `=input.n + ${n}`), endNode("=steps.a")], ["start>a", "a>end"]);
    const json: Json = JSON.parse(JSON.stringify(steps));
    const { id } = await platform.workflows.save({ tenantId: db.tenantId, actor: "user:owner", name: "Remembered", definition: json });
    return id;
  };
  const startOf = (id: string, { by = runs, version }: { by?: Runs; version?: number } = {}) =>
    by.startRun({ tenantId: db.tenantId, initiator: "user:owner", workflowId: id, version, input: { n: 1 } });
  const change = (id: string, assignment: string) =>
    db.database.asTenant(db.tenantId, (tx) => tx.query(`update workflows set ${assignment} where id = $1`, [id]));

  test("is never acted on when it is not so any more", async () => {
    const id = await save(1);
    expect(await over((await startOf(id)).id)).toMatchObject({ version: 1, output: 2 });
    for (let version = 2; version <= 4; version += 1) {
      await save(version);
      const started = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? startOf(id) : start(n))));
      for (const [n, run] of started.entries()) {
        expect(run).toMatchObject(n % 2 === 0 ? { workflowId: id, version } : { workflowId });
        expect(await auditLines(run.id)).toEqual(["run.started"]);
      }
    }
    await save(5);
    expect(await startOf(id, { version: 5 })).toMatchObject({ version: 5 });
    expect(await startOf(id, { version: 2 })).toMatchObject({ version: 2 });
    await change(id, "name = 'Renamed'");
    expect((await startOf(id)).workflowName).toBe("Renamed");
    await change(id, "deleted_at = now()");
    await expect(startOf(id)).rejects.toMatchObject({ code: "not_found" });
  });

  test("and is wrong is no reason to start again what may have been stored", async () => {
    const id = await save(1);
    let isLost = false;
    const breaking: Database = {
      ...db.database,
      statement: (tenantId, statement) =>
        isLost && statement.name === "start_runs" ? Promise.reject(lostConnection) : db.database.statement(tenantId, statement),
    };
    const by = await started(breaking);
    await over((await startOf(id, { by })).id);
    await change(id, "name = 'Lost'");
    isLost = true;
    await expect(startOf(id, { by })).rejects.toMatchObject({ code: "database_unavailable" });
    const { rows } = await db.ownerPool.query("select from runs where workflow_id = $1", [id]);
    expect(rows).toHaveLength(1);
  });
});

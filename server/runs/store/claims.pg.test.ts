import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { claimNamed, claimNext, type DeadRun } from "./claims.pg.ts";
import { parkRuns, releaseRuns, renewLeases } from "./leases.pg.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());
beforeEach(() => db.ownerPool.query("delete from runs"));

const dead: DeadRun[] = [];
const me = { owner: "me", leaseMs: 60_000, claimedBody: Buffer.from("{}"), maxCrashes: 5, onDead: (run: DeadRun) => dead.push(run) };
async function queued(tenantId: string, wakeAt = "now()"): Promise<string> {
  const id = newId();
  await db.ownerPool.query(
    `insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, input, initiator, wake_at)
     values ($1, $2, $1, 'w', 1, 'queued', '', 'user:1', ${wakeAt})`,
    [id, tenantId],
  );
  return id;
}

describe("claiming", () => {
  test("takes what is due, once, and writes the takeover into the journal", async () => {
    const [due, later] = [await queued(db.tenantId), await queued(db.tenantId, "now() + interval '1 h'")];
    const [one, two] = await Promise.all([claimNext(db.database, me, 10), claimNext(db.database, { ...me, owner: "other" }, 10)]);
    const claimed = [...one, ...two];
    expect(claimed).toMatchObject([{ id: due, epoch: 1, tenantId: db.tenantId, inboxSeq: 0, version: 1 }]);
    const { rows } = await db.ownerPool.query("select seq, kind, epoch from run_journal where run_id = any($1)", [[due, later]]);
    expect(rows).toEqual([{ seq: 1, kind: "run_claimed", epoch: 1 }]);
    expect(await claimNext(db.database, me, 10)).toEqual([]);
  });

  test("lets tenants take turns, the least served first", async () => {
    const other = await db.secondTenant();
    for (let i = 0; i < 6; i += 1) await queued(db.tenantId, "now() - interval '1 h'");
    const theirs = [await queued(other), await queued(other)];
    const first = await claimNext(db.database, me, 4);
    expect(
      first
        .filter(({ tenantId }) => tenantId === other)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(theirs.toSorted());
    const late = await queued(other);
    await releaseRuns(
      db.database,
      first.filter(({ tenantId }) => tenantId === other),
      { owner: "me", waitMs: 3_600_000 },
    );
    const [next] = await claimNext(db.database, me, 1);
    expect(next?.id).toBe(late);
  });

  test("a tenant with 500 runs in the queue does not hold up another one's", async () => {
    const other = await db.secondTenant();
    const ids = Array.from({ length: 500 }, () => newId());
    await db.ownerPool.query(
      `insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, input, initiator, wake_at)
       select id, $2, id, 'w', 1, 'queued', '', 'user:1', now() - interval '1 h' from unnest($1::uuid[]) id`,
      [ids, db.tenantId],
    );
    expect(await claimNext(db.database, me, 100)).toHaveLength(100);
    const theirs = [await queued(other), await queued(other), await queued(other)];
    const next = await claimNext(db.database, me, 3);
    expect(next.map(({ id }) => id).toSorted()).toEqual(theirs.toSorted());
    expect(await claimNext(db.database, me, 1_000)).toHaveLength(400);
  });

  test("a run that its old holder is writing to at that moment is left for the next time", async () => {
    const [contended, free] = [await queued(db.tenantId, "now() - interval '1 min'"), await queued(db.tenantId)];
    const zombie = await db.ownerPool.connect();
    await zombie.query("begin");
    await zombie.query(
      `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, attempt, epoch, append_id, body, at)
       values ($1, 1, $2, 1, 'step_succeeded', '', 1, 0, 9, '', now())`,
      [contended, db.tenantId],
    );
    const claiming = claimNext(db.database, me, 10);
    const isBlocked = async (): Promise<boolean> =>
      (await db.ownerPool.query("select from pg_locks where not granted and locktype = 'transactionid'")).rows.length > 0;
    while (!(await isBlocked())) await pause(5);
    await zombie.query("commit");
    zombie.release();
    const claimed = await claiming;
    expect(claimed.map(({ id }) => id)).toContain(free);
    const { rows } = await db.ownerPool.query("select seq from run_journal where run_id = $1 order by seq", [contended]);
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test("by name takes only what nobody holds", async () => {
    const run = await queued(db.tenantId);
    expect(await claimNamed(db.database, me, [run, newId()])).toMatchObject([{ id: run }]);
    expect(await claimNamed(db.database, { ...me, owner: "other" }, [run])).toEqual([]);
  });
});

describe("leases", () => {
  test("are kept only for the runs and epochs that are still one's own", async () => {
    const [mine, lost] = [await queued(db.tenantId), await queued(db.tenantId)];
    await claimNext(db.database, me, 10);
    await db.ownerPool.query("update runs set owner = 'other', epoch = 2 where id = $1", [lost]);
    const held = [mine, lost].map((id) => ({ id, epoch: 1 }));
    expect(await renewLeases(db.database, held, me)).toEqual(new Set([mine]));
    expect(await renewLeases(db.database, [{ id: mine, epoch: 7 }], me)).toEqual(new Set());
  });

  test("parking is refused when the inbox has changed since it was seen", async () => {
    const [quiet, spoken] = [await queued(db.tenantId), await queued(db.tenantId)];
    await claimNext(db.database, me, 10);
    await db.ownerPool.query("update runs set inbox_seq = inbox_seq + 1 where id = $1", [spoken]);
    const parking = [quiet, spoken].map((id) => ({ id, epoch: 1, inboxSeq: 0, waitMs: null, status: "waiting" as const }));
    expect(await parkRuns(db.database, parking, "me")).toEqual(new Set([quiet]));
    const { rows } = await db.ownerPool.query("select status, owner, wake_at from runs where id = $1", [quiet]);
    expect(rows).toEqual([{ status: "waiting", owner: null, wake_at: null }]);
  });
});

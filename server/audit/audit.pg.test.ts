import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { listAudit, verifyAudit } from "#contract/access.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createAudit } from "./index.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const redactor: Redactor = {
  text: (value) => value.replaceAll("hunter2", "[redacted]"),
  json: (value) => JSON.parse(JSON.stringify(value).replaceAll("hunter2", "[redacted]")),
};
const chainKey = randomBytes(32);
const trailWith = (key: Buffer) => createAudit({ database: db.database, redactor, chainKey: key });
const trail = () => trailWith(chainKey);

let tenantId = "";
beforeEach(async () => {
  tenantId = await db.secondTenant();
});
const entry = (action: string, of = tenantId) => ({ tenantId: of, actor: "user:1", action, target: "workflow:1" });
const record = (action: string, of = tenantId) => db.database.asTenant(of, (tx) => trail().audit.record(tx, entry(action, of)));
const recordMany = async (count: number) => {
  for (let i = 1; i <= count; i++) await record(`thing.done${i}`);
};
const list = (query: Record<string, string> = {}) => callRoute(trail().routes, listAudit, { caller: ownerOf(tenantId), query });
const verify = () => callRoute(trail().routes, verifyAudit, { caller: ownerOf(tenantId) });
/** As somebody who owns the database: the trigger is out of the way. */
const tamper = async (...statements: string[]) => {
  const owner = await db.ownerPool.connect();
  try {
    await owner.query("alter table audit_log disable trigger user");
    for (const statement of statements) await owner.query(statement.replaceAll(":tenant", `'${tenantId}'`));
    await owner.query("alter table audit_log enable trigger user");
  } finally {
    owner.release();
  }
};

describe("recording", () => {
  test("is part of the change: both happen or neither", async () => {
    const failing = db.database.asTenant(tenantId, async (tx) => {
      await trail().audit.record(tx, entry("workflow.created"));
      throw new Error("the change fails");
    });
    await expect(failing).rejects.toThrow("the change fails");
    await record("workflow.updated");
    const { items } = await list();
    expect(items.map(({ seq, action }) => ({ seq, action }))).toEqual([{ seq: 1, action: "workflow.updated" }]);
  });

  test("keeps everything that was said, newest first, in pages", async () => {
    await db.database.asTenant(tenantId, (tx) =>
      trail().audit.record(tx, { ...entry("secret.used"), outcome: "deny", reason: "no role", details: { z: 1, a: ["\u0000", "\ud800"] } }),
    );
    await record("workflow.created");
    const first = await list({ limit: "1" });
    expect(first.items).toMatchObject([{ seq: 2, action: "workflow.created", outcome: "allow", reason: null, details: {} }]);
    const second = await list({ limit: "1", cursor: first.nextCursor ?? "" });
    expect(second).toMatchObject({
      items: [{ seq: 1, outcome: "deny", reason: "no role", details: { z: 1, a: ["\u0000", "\ud800"] } }],
      nextCursor: null,
    });
    expect((await list({ action: "workflow.created" })).items).toHaveLength(1);
    expect((await verify()).valid).toBe(true);
  });

  test("stores no secret, no control character that breaks a row, and no endless text", async () => {
    await db.database.asTenant(tenantId, (tx) =>
      trail().audit.record(tx, {
        tenantId,
        actor: "user:hunter2",
        action: "x.y",
        target: `a\0b\n{"fake":1}${"x".repeat(2_000)}`,
        reason: "half \ud800",
        details: { token: "hunter2", long: "x".repeat(100_000) },
      }),
    );
    const [row] = (await list()).items;
    expect(row).toMatchObject({ actor: "user:[redacted]", reason: "half \uFFFD" });
    expect(row?.target.startsWith('a\uFFFDb\n{"fake":1}xxx')).toBe(true);
    expect(row?.target).toHaveLength(512);
    expect(row?.details).toEqual({ omitted: expect.stringContaining("characters") });
    expect((await verify()).valid).toBe(true);
  });

  test("works for the worker, which can neither read nor change the trail", async () => {
    await db.database.asWorker((tx) => trail().audit.record(tx, entry("run.succeeded")));
    expect((await list()).items).toMatchObject([{ action: "run.succeeded" }]);
    for (const statement of [
      "select * from audit_log",
      "update audit_log set actor = 'x'",
      "delete from audit_log",
      "truncate audit_log",
    ]) {
      await expect(db.database.asWorker((tx) => tx.query(statement))).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("is append-only for the API and for the owner", async () => {
    await record("a.b");
    for (const statement of ["update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"]) {
      await expect(db.database.asTenant(tenantId, (tx) => tx.query(statement))).rejects.toMatchObject({ code: "42501" });
      await expect(db.ownerPool.query(statement)).rejects.toThrow("append-only");
    }
  });

  test("keeps tenants apart", async () => {
    const other = await db.secondTenant();
    await record("a.b", other);
    expect((await list()).items).toEqual([]);
    expect(await verify()).toEqual({ valid: true, entries: 0, firstBroken: null });
    await expect(db.database.asTenant(tenantId, (tx) => trail().audit.record(tx, entry("a.b", other)))).rejects.toMatchObject({
      code: "42501",
    });
  });

  test("leaves no gap and no fork with fifty transactions at once", async () => {
    const tenants = [tenantId, await db.secondTenant()];
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const work =
          i % 2 === 0
            ? db.database.asWorker
            : (fn: Parameters<typeof db.database.asWorker>[0]) => db.database.asTenant(tenants[i % 4 < 2 ? 0 : 1] ?? "", fn);
        const of = tenants[i % 4 < 2 ? 0 : 1] ?? "";
        await work(async (tx) => {
          await trail().audit.record(tx, entry("parallel.one", of));
          if (i % 10 === 9) throw new Error("rolled back");
          await trail().audit.record(tx, entry("parallel.two", of));
        }).catch((error: unknown) => {
          if (!(error instanceof Error) || error.message !== "rolled back") throw error;
        });
      }),
    );
    const verdicts = await Promise.all(tenants.map((id) => trail().verify(id)));
    expect(verdicts.every(({ valid }) => valid)).toBe(true);
    expect(verdicts.reduce((sum, { entries }) => sum + entries, 0)).toBe(90);
  });
});

describe("verification", () => {
  test("accepts an untouched trail, also one that spans pages and grows meanwhile", async () => {
    await db.database.asTenant(tenantId, async (tx) => {
      for (let i = 0; i < 1_001; i++) await trail().audit.record(tx, entry("a.b"));
    });
    const [verdict] = await Promise.all([verify(), record("meanwhile")]);
    expect(verdict).toMatchObject({ valid: true, firstBroken: null });
    expect(await verify()).toMatchObject({ valid: true, entries: 1_002 });
  });

  const CHANGES: readonly [what: string, statements: string[], firstBroken: number][] = [
    ["an edited entry", ["update audit_log set actor = 'user:2' where tenant_id = :tenant and seq = 3"], 3],
    ["an edited time", ["update audit_log set at = replace(at, '20', '21') where tenant_id = :tenant and seq = 1"], 1],
    ["edited details", [`update audit_log set details = '{"x":1}' where tenant_id = :tenant and seq = 6`], 6],
    ["a denial turned into a permission", ["update audit_log set outcome = 'deny' where tenant_id = :tenant and seq = 2"], 2],
    [
      "an edit with a recomputed unkeyed hash",
      ["update audit_log set actor = 'x', hash = sha256('x') where tenant_id = :tenant and seq = 4"],
      4,
    ],
    ["a deleted entry", ["delete from audit_log where tenant_id = :tenant and seq = 3"], 3],
    ["a deleted first entry", ["delete from audit_log where tenant_id = :tenant and seq = 1"], 1],
    [
      "a deleted entry with the rest moved up",
      [
        "delete from audit_log where tenant_id = :tenant and seq = 3",
        ...[4, 5, 6].map((n) => `update audit_log set seq = ${n - 1} where tenant_id = :tenant and seq = ${n}`),
      ],
      3,
    ],
    [
      "two entries swapped",
      [
        "update audit_log set seq = 100 where tenant_id = :tenant and seq = 2",
        "update audit_log set seq = 2 where tenant_id = :tenant and seq = 5",
        "update audit_log set seq = 5 where tenant_id = :tenant and seq = 100",
      ],
      2,
    ],
    ["removed last entries", ["delete from audit_log where tenant_id = :tenant and seq > 4"], 5],
    ["all entries removed", ["delete from audit_log where tenant_id = :tenant"], 1],
    [
      "last entries removed and the head set back",
      [
        "delete from audit_log where tenant_id = :tenant and seq > 4",
        "update audit_heads set seq = 4, hash = (select hash from audit_log where tenant_id = :tenant and seq = 4) where tenant_id = :tenant",
      ],
      4,
    ],
    ["a removed head", ["delete from audit_heads where tenant_id = :tenant"], 1],
    ["a changed head hash", ["update audit_heads set hash = sha256('x') where tenant_id = :tenant"], 6],
    [
      "a forged entry behind the end",
      [
        "insert into audit_log select tenant_id, 7, at, actor, 'forged.entry', target, outcome, reason, details, hash from audit_log where tenant_id = :tenant and seq = 6",
      ],
      7,
    ],
  ];
  test.each(CHANGES)("finds %s", async (_what, statements, firstBroken) => {
    await recordMany(6);
    expect(await verify()).toEqual({ valid: true, entries: 6, firstBroken: null });
    await tamper(...statements);
    expect(await verify()).toMatchObject({ valid: false, firstBroken });
  });

  test("finds a trail that was copied from another tenant", async () => {
    const other = await db.secondTenant();
    await record("a.b", other);
    await tamper(
      `insert into audit_log select :tenant, seq, at, actor, action, target, outcome, reason, details, hash from audit_log where tenant_id = '${other}'`,
      `insert into audit_heads select :tenant, seq, hash, mac from audit_heads where tenant_id = '${other}'`,
    );
    expect(await verify()).toMatchObject({ valid: false, firstBroken: 1 });
  });

  test("needs the key that the trail was written with", async () => {
    await record("a.b");
    expect(await trailWith(randomBytes(32)).verify(tenantId)).toMatchObject({ valid: false, firstBroken: 1 });
  });

  test("lets details that somebody broke still be read", async () => {
    await record("a.b");
    await tamper("update audit_log set details = 'broken' where tenant_id = :tenant");
    expect((await list()).items[0]?.details).toEqual({ unreadable: "broken" });
  });
});

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { listAudit } from "#contract/access.ts";
import type { AuditRecord, Redactor } from "#server/kernel/ports.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createAudit, type AuditTrail } from "./index.ts";

let db: TestDatabase;
let trail: AuditTrail;
let tenantId = "";
const chainKey = randomBytes(32);
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());
beforeEach(async () => {
  tenantId = await db.secondTenant();
  trail = anotherProcess();
});

const redactor: Redactor = { text: (value) => value.replaceAll("hunter2", "[redacted]"), json: (value) => value };
const anotherProcess = (): AuditTrail => createAudit({ database: db.database, redactor, chainKey });
const entry = (action: string): AuditRecord => ({ tenantId, actor: "user:hunter2", action, target: "run:1" });
const record = (action: string, by = trail) => db.database.asTenant(tenantId, (tx) => by.audit.record(tx, entry(action)));

/** A change that is told of in its own statement. Answers whether it was made. */
async function store(actions: readonly string[], by = trail): Promise<boolean> {
  const draft = await by.drafts.draft(tenantId, actions.map(entry));
  if (!draft) return false;
  const text = `with ${by.drafts.sql(1)} select extract(epoch from clock_timestamp()) * 1000 from audit_head`;
  const [row] = await db.database.statement(tenantId, { name: "store", text, values: draft.values });
  draft.settle(row ? { kind: "recorded", at: Number(row[0]) } : { kind: "not_recorded" });
  return row !== undefined;
}
const recorded = async (): Promise<string[]> => {
  const { items } = await callRoute(trail.routes, listAudit, { caller: ownerOf(tenantId), query: { limit: "100" } });
  return items.map(({ action }) => action).toReversed();
};

describe("audit lines in the statement of their change", () => {
  test("wait for the trail's first entry, which needs a lock", async () => {
    expect(await store(["a.b"])).toBe(false);
    expect(await recorded()).toEqual([]);
  });

  test("go on where the trail ends, several at once, and verify like any others", async () => {
    await record("first.one");
    expect(await store(["a.one", "a.two"])).toBe(true);
    expect(await store(["b.one"])).toBe(true);
    await record("last.one");
    expect(await recorded()).toEqual(["first.one", "a.one", "a.two", "b.one", "last.one"]);
    expect(await trail.verify(tenantId)).toEqual({ valid: true, entries: 5, firstBroken: null });
    const { items } = await callRoute(trail.routes, listAudit, { caller: ownerOf(tenantId), query: {} });
    expect(items.every(({ actor }) => actor === "user:[redacted]")).toBe(true);
    expect(items.map(({ at }) => at)).toEqual(
      items
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
  });

  test("record nothing when somebody else has recorded meanwhile, and succeed on the next attempt", async () => {
    await record("first.one");
    expect(await store(["a.one"])).toBe(true);
    await record("theirs.one", anotherProcess());
    expect(await store(["a.two"])).toBe(false);
    expect(await store(["a.two"])).toBe(true);
    expect(await recorded()).toEqual(["first.one", "a.one", "theirs.one", "a.two"]);
    expect((await trail.verify(tenantId)).valid).toBe(true);
  });

  test("leave no gap and no fork when many processes record at once in both ways", async () => {
    await record("first.one");
    const processes = [trail, anotherProcess(), anotherProcess()];
    const stored = await Promise.all(
      Array.from({ length: 45 }, async (_, i) => {
        const by = processes[i % 3] ?? trail;
        if (i % 5 > 0) return (await store([`many.n${i}`, `many.m${i}`], by)) ? 2 : 0;
        await record(`many.n${i}`, by);
        return 1;
      }),
    );
    const count = stored.reduce((sum: number, n) => sum + n, 1);
    expect(await trail.verify(tenantId)).toEqual({ valid: true, entries: count, firstBroken: null });
  });
});

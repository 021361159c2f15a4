import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { changesNothing } from "#test/support/state-hash.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const doing = (sql: string, values: unknown[] = []) => changesNothing(db.ownerPool, () => db.ownerPool.query(sql, values));
const AGENT = "insert into agents (id, tenant_id, environment, name, title, endpoint) values ($1, $2, 'test', 'a', 'An agent', '{}')";

test("a row that is changed in place, added or removed is seen, and its table named", async () => {
  const changed = (table: string): RegExp =>
    new RegExp(`^Tables that were changed: ${table}: \\d rows, -?\\d+ -> |^Tables that were changed: ${table}: 0 rows -> `);
  await expect(doing("update tenants set name = name || '!'")).rejects.toThrow(changed("tenants"));
  await expect(doing(AGENT, [newId(), db.tenantId])).rejects.toThrow(changed("agents"));
  await expect(doing("update agents set title = 'Another'")).rejects.toThrow(changed("agents"));
  await expect(doing("delete from agents")).rejects.toThrow(changed("agents"));
});

test("rows that are written as they were, and what moves by itself, are no change", async () => {
  await db.ownerPool.query(AGENT, [newId(), db.tenantId]);
  await doing("update agents set title = title, last_seen_at = now()");
});

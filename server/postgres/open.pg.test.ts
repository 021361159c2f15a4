import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

describe("the database port", () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.close());

  test("shows a tenant only its own row", async () => {
    const other = await db.secondTenant();
    const rows = await db.database.asTenant(db.tenantId, (tx) => tx.query<{ id: string }>("select id from tenants"));
    expect(rows.map(({ id }) => id)).toEqual([db.tenantId]);
    const all = await db.database.asWorker((tx) => tx.query<{ id: string }>("select id from tenants"));
    expect(all.map(({ id }) => id).toSorted()).toEqual([db.tenantId, other].toSorted());
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isUniqueViolation } from "#server/kernel/pg-errors.ts";
import { silentLog } from "#server/kernel/log.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { createDatabase, openPool } from "./database.ts";

let db: TestDatabase;
beforeEach(async () => {
  db = await testDatabase();
});
afterEach(() => db.close());

const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "resolved",
    (error: unknown) => error,
  );
const rename = (name: string) => ({ name: "rename", text: "update tenants set name = $1 returning id", values: [name] });

describe("one statement as a tenant", () => {
  test("sees and changes that tenant's rows only, also when connections are shared", async () => {
    const other = await db.secondTenant();
    for (const id of [db.tenantId, other, db.tenantId]) expect(await db.database.statement(id, rename(`of ${id}`))).toEqual([[id]]);
    const { rows } = await db.ownerPool.query<{ name: string }>("select name from tenants where id = any($1) order by id", [
      [db.tenantId, other],
    ]);
    expect(rows.map(({ name }) => name).toSorted()).toEqual([`of ${db.tenantId}`, `of ${other}`].toSorted());
  });

  test("leaves no tenant behind on the connection", async () => {
    const api = openPool(db.url("auterity_api"), 1, silentLog);
    const database = createDatabase({ api, worker: api });
    const [row] = await database.statement(db.tenantId, { name: "who", text: "select auterity_tenant(), pg_backend_pid()", values: [] });
    expect(row?.[0]).toBe(db.tenantId);
    const { rows } = await api.query("select auterity_tenant() as tenant, pg_backend_pid()::text as pid");
    expect(rows).toEqual([{ tenant: null, pid: row?.[1] }]);
    await api.end();
  });

  test("cannot be aimed at anything but a tenant's id", async () => {
    await expect(db.database.statement("'; drop table tenants; --", rename("x"))).rejects.toBeInstanceOf(TypeError);
  });

  test("takes text, bytes and null, and answers with PostgreSQL's texts", async () => {
    const echo = { name: "echo", text: "select $1::text, encode($2::bytea, 'hex'), $3::int4, 7::int8, true" };
    const rows = await db.database.statement(db.tenantId, { ...echo, values: ["ünï", Buffer.from([0, 255]), null] });
    expect(rows).toEqual([["ünï", "00ff", null, "7", "t"]]);
  });

  test("changes nothing when it fails, says why without values, and the connection goes on", async () => {
    const api = openPool(db.url("auterity_api"), 1, silentLog);
    const database = createDatabase({ api, worker: api });
    const text = "insert into mailboxes (id, tenant_id, address) values (gen_random_uuid(), $1, $2), (gen_random_uuid(), $1, $2)";
    const twice = { name: "twice", text, values: [db.tenantId, "hunter2"] };
    const broken = { name: "broken", text: "select no_such_column", values: [] };
    for (let round = 0; round < 2; round += 1) {
      const failure = await failureOf(database.statement(db.tenantId, twice));
      expect(isUniqueViolation(failure)).toBe(true);
      expect(JSON.stringify([failure, failure instanceof Error ? failure.message : ""])).not.toContain("hunter2");
      await expect(database.statement(db.tenantId, broken)).rejects.toMatchObject({ code: "42703" });
      expect(await database.statement(db.tenantId, rename("after"))).toEqual([[db.tenantId]]);
      expect(await database.statement(db.tenantId, { name: "left", text: "select count(*) from mailboxes", values: [] })).toEqual([["0"]]);
    }
    await api.end();
  });

  test("reports a lost connection as such, and works again with the next", async () => {
    const admin = await db.connect();
    const asleep = db.database.statement(db.tenantId, { name: "asleep", text: "select pg_sleep(10)", values: [] });
    const outcome = failureOf(asleep);
    await expect
      .poll(async () => {
        const { rowCount } = await admin.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(10)%' and pid <> pg_backend_pid() and datname = current_database()",
        );
        return rowCount;
      })
      .toBe(1);
    expect(await outcome).toMatchObject({ code: "database_unavailable", retryable: true });
    expect(await db.database.statement(db.tenantId, rename("after"))).toEqual([[db.tenantId]]);
  });
});

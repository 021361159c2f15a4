import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type Log } from "#server/kernel/log.ts";
import { isForeignKeyViolation, isTransactionConflict, isUniqueViolation } from "#server/kernel/pg-errors.ts";
import { newId } from "#server/kernel/ids.ts";
import { emptyDatabase, testDatabase, type EmptyDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { rolePassword } from "#test/support/postgres-names.ts";
import { openPostgres, type OpenOptions, type Postgres } from "./open.ts";

const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "resolved",
    (error: unknown) => error,
  );

describe("opening a database", () => {
  let db: EmptyDatabase;
  const opened: Postgres[] = [];
  beforeEach(async () => {
    db = await emptyDatabase();
  });
  afterEach(async () => {
    for (const postgres of opened.splice(0)) await postgres.close();
    await db.close();
  });
  const open = async (more: Partial<OpenOptions> = {}): Promise<Postgres> => {
    const postgres = await openPostgres({ ownerUrl: db.url(), rolePassword, log: silentLog, ...more });
    opened.push(postgres);
    return postgres;
  };

  test("prepares it once, and opens it again and by several nodes at once", async () => {
    const nodes = await Promise.all([open(), open(), open()]);
    for (const { ping } of nodes) await expect(ping()).resolves.toBeUndefined();
    const again = await open();
    const roles = await Promise.all([
      again.database.asTenant(newId(), (tx) => tx.query("select current_user as role")),
      again.database.asWorker((tx) => tx.query("select current_user as role")),
    ]);
    expect(roles).toEqual([[{ role: "auterity_api" }], [{ role: "auterity_worker" }]]);
    await again.close();
    await again.close();
  });

  test("gives the journal a connection of its own as the worker", async () => {
    const postgres = await open();
    const client = await postgres.connectWorker();
    const { rows } = await client.query("select current_user as role");
    await client.end();
    expect(rows).toEqual([{ role: "auterity_worker" }]);
  });

  test.each([
    ["not an address", "config_invalid"],
    ["mysql://root@127.0.0.1/x", "config_invalid"],
    ["postgresql://x:y@127.0.0.1:1/x", "database_unavailable"],
  ])("answers %s with %s", async (ownerUrl, code) => {
    await expect(open({ ownerUrl })).rejects.toMatchObject({ code });
  });

  test("knows when the database takes no writes", async () => {
    const postgres = await open({ poolSize: { worker: 1 } });
    const admin = await db.connect();
    await admin.query("do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$");
    const second = await openPostgres({ ownerUrl: db.url(), rolePassword, log: silentLog }).catch((error: unknown) => error);
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'auterity_worker' and datname = current_database()",
    );
    const failure = await failureOf(postgres.ping());
    expect(failure).toMatchObject({ code: "database_unavailable", retryable: true });
    expect(second).toBeInstanceOf(Error);
  });
});

describe("the database port", () => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await testDatabase();
  });
  afterEach(() => db.close());

  test("commits what resolves and rolls back what throws", async () => {
    const keep = async (name: string): Promise<unknown> =>
      db.database.asTenant(db.tenantId, (tx) => tx.query("update tenants set name = $1", [name]));
    await keep("kept");
    const failure = failureOf(
      db.database.asTenant(db.tenantId, async (tx) => {
        await tx.query("update tenants set name = 'lost'");
        throw new RangeError("stop");
      }),
    );
    await expect(failure).resolves.toBeInstanceOf(RangeError);
    const { rows } = await db.ownerPool.query("select name from tenants where id = $1", [db.tenantId]);
    expect(rows).toEqual([{ name: "kept" }]);
  });

  test("forgets the tenant with the transaction", async () => {
    const seen = await db.database.asTenant(db.tenantId, (tx) => tx.query("select auterity_tenant() as tenant, pg_backend_pid() as pid"));
    expect(seen).toMatchObject([{ tenant: db.tenantId }]);
    const client = await db.connect("auterity_api");
    await client.query(`begin; select set_config('auterity.tenant_id', '${db.tenantId}', true); commit`);
    const { rows } = await client.query("select auterity_tenant() as tenant, count(*)::int as n from tenants");
    expect(rows).toEqual([{ tenant: null, n: 0 }]);
  });

  test("takes nothing but a UUID for a tenant", async () => {
    await expect(db.database.asTenant("'; drop table tenants; --", (tx) => tx.query("select 1"))).rejects.toBeInstanceOf(TypeError);
  });

  test("keeps PostgreSQL's own errors, without the values in them", async () => {
    const secret = "hunter2-very-secret";
    const query = (sql: string, values?: unknown[]) => failureOf(db.database.asTenant(db.tenantId, (tx) => tx.query(sql, values)));
    const failures = {
      unique: await query("insert into mailboxes (id, tenant_id, address) select gen_random_uuid(), $1, $2 from generate_series(1, 2)", [
        db.tenantId,
        secret,
      ]),
      foreign: await query(
        "insert into blob_refs (tenant_id, blob_id, owner_kind, owner_id) values ($1, decode(repeat('00', 32), 'hex'), $2, 'x')",
        [db.tenantId, secret],
      ),
      check: await query("update tenants set name = $1", [secret.repeat(20)]),
      cast: await query("select ($1::text)::uuid", [secret]),
      json: await query("select ($1::text)::jsonb", [`{"${secret}": `]),
      date: await query("select ($1::text)::timestamptz", [`2026-99-99 "${secret}"`]),
    };
    const told = Object.values(failures).map((failure) =>
      failure instanceof Error ? JSON.stringify([failure, failure.message, failure.stack]) : "",
    );
    expect(told.filter((text) => text === "" || text.includes(secret))).toEqual([]);
    expect(isUniqueViolation(failures.unique)).toBe(true);
    expect(isUniqueViolation(failures.unique, "mailboxes_tenant_id_address_key")).toBe(true);
    expect(isUniqueViolation(failures.unique, "another")).toBe(false);
    expect(isForeignKeyViolation(failures.foreign)).toBe(true);
    expect(failures.check).toMatchObject({ code: "23514", constraint: "tenants_name_check", detail: undefined });
  });

  test("names a deadlock, so that the loser can try again", async () => {
    const other = await db.secondTenant();
    const bump = async (ids: string[], { met, meet }: { met: Promise<unknown>; meet: () => void }): Promise<void> => {
      const client = await db.connect("auterity_owner");
      await client.query("begin");
      await client.query("update tenants set name = 'x' where id = $1", [ids[0]]);
      meet();
      await met;
      await client.query("update tenants set name = 'x' where id = $1", [ids[1]]);
      await client.query("commit");
    };
    const a = Promise.withResolvers<undefined>();
    const b = Promise.withResolvers<undefined>();
    const outcomes = await Promise.all([
      failureOf(bump([db.tenantId, other], { met: b.promise, meet: () => a.resolve(undefined) })),
      failureOf(bump([other, db.tenantId], { met: a.promise, meet: () => b.resolve(undefined) })),
    ]);
    expect(outcomes.filter(isTransactionConflict)).toHaveLength(1);
  });

  test("reports a lost connection as retryable, and works again with the next", async () => {
    const admin = await db.connect();
    const lost = await failureOf(
      db.database.asTenant(db.tenantId, async (tx) => {
        const [row] = await tx.query<{ pid: number }>("select pg_backend_pid() as pid");
        await admin.query("select pg_terminate_backend($1)", [row?.pid]);
        await tx.query("select pg_sleep(5)");
      }),
    );
    expect(lost).toMatchObject({ code: "database_unavailable", retryable: true });
    expect(await db.database.asTenant(db.tenantId, (tx) => tx.query("select 1 as n"))).toEqual([{ n: 1 }]);
  });

  test("survives the loss of idle connections", async () => {
    const admin = await db.connect();
    await Promise.all(Array.from({ length: 3 }, () => db.database.asWorker((tx) => tx.query("select pg_sleep(0.05)"))));
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'auterity_worker' and datname = current_database()",
    );
    expect(await db.database.asWorker((tx) => tx.query("select 1 as n"))).toEqual([{ n: 1 }]);
  });

  test("does not hide a bug in the caller's own code", async () => {
    const failure = await failureOf(db.database.asWorker(() => Promise.reject(new TypeError("bug"))));
    expect(failure).toMatchObject({ name: "TypeError", message: "bug" });
  });
});

describe("a database changed by hand", () => {
  test("is reported when it is opened", async () => {
    const db = await emptyDatabase();
    const warnings: unknown[] = [];
    const log: Log = { ...silentLog, warn: (message, fields) => void warnings.push({ message, ...fields }) };
    try {
      await (await openPostgres({ ownerUrl: db.url(), rolePassword, log })).close();
      const owner = await db.connect("auterity_owner");
      await owner.query("create index by_hand on tenants (name)");
      await (await openPostgres({ ownerUrl: db.url(), rolePassword, log })).close();
    } finally {
      await db.close();
    }
    expect(warnings).toMatchObject([
      { message: expect.stringContaining("by hand"), added: [expect.stringContaining("by_hand")], missing: [] },
    ]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { GLOBAL_TABLES } from "./global-tables.ts";

type Table = { name: string; tenant: boolean; enabled: boolean; forced: boolean; partition: boolean };

describe("isolation of tenants", () => {
  let db: TestDatabase;
  let tables: Table[];

  beforeAll(async () => {
    db = await testDatabase();
    const { rows } = await db.ownerPool.query<Table>(`
      select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced, c.relispartition as partition,
        exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.atttypid = 'uuid'::regtype and a.attnotnull) as tenant
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f') order by 1`);
    tables = rows;
  });
  afterAll(() => db.close());

  const owned = (): Table[] => tables.filter(({ name }) => !GLOBAL_TABLES.some((global) => global === name));

  test("is forced on every table that is not listed as global", () => {
    expect(owned().filter(({ tenant, enabled, forced }) => !tenant || !enabled || !forced)).toEqual([]);
    expect(owned().length).toBeGreaterThan(10);
  });

  test("lists no global table that does not exist", () => {
    expect(GLOBAL_TABLES.filter((name) => !tables.some((table) => table.name === name))).toEqual([]);
  });

  test("gives the api role nothing beyond its tenant, and nobody else anything", async () => {
    const { rows } = await db.ownerPool.query<{ name: string; roles: string[]; using: string | null; check: string | null }>(`
      select c.relname as name, array(select pg_get_userbyid(r)::text from unnest(p.polroles) r) as roles,
        pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check
      from pg_policy p join pg_class c on c.oid = p.polrelid`);
    const loose = rows.filter(({ name, roles, using, check }) => {
      if (roles.every((role) => role === "auterity_owner" || role === "auterity_worker")) return false;
      const column = name === "tenants" ? "id" : "tenant_id";
      const bound = [using, check].filter((expression) => expression !== null);
      return (
        bound.length === 0 || !bound.every((expression) => new RegExp(`\\b${column} = \\( SELECT auterity_tenant\\(\\)`).test(expression))
      );
    });
    expect(loose).toEqual([]);
  });

  test("lets the owner see everything, so that backups and foreign keys are complete", async () => {
    const { rows } = await db.ownerPool.query<{ name: string }>(`
      select c.relname as name from pg_policy p join pg_class c on c.oid = p.polrelid
      where p.polname = 'owner' and p.polcmd = '*' and pg_get_expr(p.polqual, p.polrelid) = 'true' and pg_get_userbyid(p.polroles[1]) = 'auterity_owner'`);
    const complete = new Set(rows.map(({ name }) => name));
    expect(owned().filter(({ name }) => !complete.has(name))).toEqual([]);
  });

  test("cannot be stepped around: no rights on partitions, no memberships, no table owned by a serving role", async () => {
    const { rows: direct } = await db.ownerPool.query(`
      select c.relname, a.privilege_type from pg_class c, aclexplode(c.relacl) a
      where c.relnamespace = 'public'::regnamespace and c.relispartition and a.grantee <> c.relowner`);
    const { rows: memberships } = await db.ownerPool.query(`
      select pg_get_userbyid(member) as member, pg_get_userbyid(roleid) as role from pg_auth_members
      where pg_get_userbyid(member) in ('auterity_api', 'auterity_worker', 'auterity_owner')`);
    const { rows: owners } = await db.ownerPool.query(`
      select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'public'::regnamespace`);
    const { rows: views } = await db.ownerPool.query(
      "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')",
    );
    const { rows: definers } = await db.ownerPool.query(
      "select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef and not coalesce(proconfig::text, '') like '%search_path%'",
    );
    expect({ direct, memberships, owners, views, definers }).toEqual({
      direct: [],
      memberships: [],
      owners: [{ owner: "auterity_owner" }],
      views: [],
      definers: [],
    });
  });

  test("shows no row of any table without a tenant, nor with one that does not exist", async () => {
    for (const { name } of owned().filter(({ partition }) => !partition)) {
      const client = await db.connect("auterity_api");
      const { rowCount } = await client.query(`select from "${name}" limit 1`);
      await client.end();
      expect({ name, rowCount }).toEqual({ name, rowCount: 0 });
    }
  });

  test("keeps another tenant's rows from being read, written, moved or named", async () => {
    const other = await db.secondTenant();
    const id = newId();
    await db.database.asTenant(other, (tx) =>
      tx.query("insert into mailboxes (id, tenant_id, address) values ($1, $2, 'agent:scribe')", [id, other]),
    );
    const mine = <T extends object>(sql: string, values: unknown[]): Promise<T[]> =>
      db.database.asTenant(db.tenantId, (tx) => tx.query<T>(sql, values));
    expect(await mine("select id from mailboxes where id = $1", [id])).toEqual([]);
    expect(await mine("update mailboxes set address = 'x' where id = $1 returning id", [id])).toEqual([]);
    expect(await mine("delete from mailboxes where id = $1 returning id", [id])).toEqual([]);
    await expect(mine("insert into mailboxes (id, tenant_id, address) values ($1, $2, 'y')", [newId(), other])).rejects.toMatchObject({
      code: "42501",
    });
    await expect(
      mine("insert into topic_subscriptions (tenant_id, topic, mailbox_id) values ($1, 'news', $2)", [db.tenantId, id]),
    ).rejects.toMatchObject({
      code: "23503",
    });
    const own = newId();
    await mine("insert into mailboxes (id, tenant_id, address) values ($1, $2, 'agent:scribe')", [own, db.tenantId]);
    await expect(mine("update mailboxes set tenant_id = $2 where id = $1", [own, other])).rejects.toMatchObject({ code: "42501" });
  });

  test("lets the worker do across tenants what its table allows, and no more", async () => {
    const owner = await db.connect("auterity_owner");
    for (const mode of ["none", "read", "insert", "write"]) {
      await owner.query(
        `create table modes_${mode} (tenant_id uuid not null, n int); insert into modes_${mode} values ('${db.tenantId}', 1)`,
      );
      await owner.query(`select auterity_protect('modes_${mode}', worker => '${mode}')`);
    }
    const worker = await db.connectWorker();
    const may = async (sql: string): Promise<boolean> =>
      worker.query(sql).then(
        ({ rowCount }) => rowCount === 1,
        () => false,
      );
    const rights: Record<string, boolean[]> = {};
    for (const mode of ["none", "read", "insert", "write"]) {
      const table = `modes_${mode}`;
      rights[mode] = [
        await may(`select n from ${table}`),
        await may(`insert into ${table} values ('${newId()}', 2)`),
        await may(`update ${table} set n = 3 where n = 1`),
        await may(`delete from ${table} where n = 3`),
      ];
    }
    expect(rights).toEqual({
      none: [false, false, false, false],
      read: [true, false, false, false],
      insert: [false, true, false, false],
      write: [true, true, true, true],
    });
    await expect(owner.query("create table loose (n int); select auterity_protect('loose')")).rejects.toThrow("tenant_id uuid not null");
    await expect(owner.query("select auterity_protect('modes_read', worker => 'all')")).rejects.toThrow(
      "must be none, read, insert or write",
    );
  });
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "#server/kernel/log.ts";
import { emptyDatabase, type EmptyDatabase } from "#test/support/postgres.ts";
import { describeSchema } from "./describe-schema.ts";
import { migrate, readMigrations, type Migration } from "./migrate.ts";

describe("migrations", () => {
  let db: EmptyDatabase;
  let owner: Client;
  beforeEach(async () => {
    db = await emptyDatabase();
    owner = await db.connect("auterity_owner");
  });
  afterEach(() => db.close());

  const run = async (migrations: readonly Migration[]) => migrate(owner, migrations, silentLog);
  const step = (number: number, sql: string, checksum = `${number}`): Migration => ({ number, name: `step_${number}`, sql, checksum });
  const tables = async (): Promise<string[]> => {
    const { rows } = await owner.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not like 'schema\\_%' order by 1",
    );
    return rows.map(({ name }) => name);
  };

  test("all apply to an empty database, and a second time do nothing", async () => {
    const files = await readMigrations();
    const first = await run(files);
    const schema = await describeSchema(owner);
    const second = await run(files);
    expect(first.applied).toEqual(files.map(({ number }) => number));
    expect(second).toEqual({ applied: [], drift: undefined });
    expect(await describeSchema(owner)).toEqual(schema);
  });

  test("give the same schema at once and one by one", async () => {
    const files = await readMigrations();
    for (const [i] of files.entries()) await run(files.slice(0, i + 1));
    const oneByOne = await describeSchema(owner);
    const other = await emptyDatabase();
    try {
      const client = await other.connect("auterity_owner");
      await migrate(client, files, silentLog);
      expect(await describeSchema(client)).toEqual(oneByOne);
    } finally {
      await other.close();
    }
  });

  test("leave servers that run the roots that they were told of before roots were approved", async () => {
    const files = await readMigrations();
    await run(files.filter(({ number }) => number < 41));
    const add = async (approved: string | null, settings: object): Promise<string> => {
      const { rows } = await owner.query<{ id: string }>(
        `insert into mcp_servers (id, tenant_id, environment, name, launch, launch_hash, approved_launch_hash, launch_approved_by, desired, created_by, settings)
         select id, id, 'production', 's', '{}', 'h', $1, $1, 'running', 'user:1', $2 from (select gen_random_uuid() as id) as new returning id`,
        [approved, JSON.stringify(settings)],
      );
      return rows[0]?.id ?? "";
    };
    const ids = [
      await add("h", { roots: ['/srv/"data"'], calls: {} }),
      await add("h", { calls: {} }),
      await add(null, { roots: ["/srv"] }),
    ];
    await run(files);
    const { rows } = await owner.query<{ id: string; approved_roots: string | null; launch_makers: string }>(
      "select id, approved_roots, launch_makers from mcp_servers",
    );
    const found = new Map(rows.map((row) => [row.id, row]));
    expect(ids.map((id) => found.get(id)?.approved_roots)).toEqual(['["/srv/\\"data\\""]', null, null]);
    expect(new Set(rows.map(({ launch_makers }) => launch_makers))).toEqual(new Set(["[]"]));
  });

  test("report what was changed by hand, thing by thing", async () => {
    await run(await readMigrations());
    await owner.query(`
      create index by_hand on contexts (updated_at);
      alter table contexts alter column key_rules drop default;
      alter table blobs no force row level security;
      drop policy worker on mailboxes;
      grant select on dead_letters to public;
      create or replace function auterity_tenant() returns uuid language sql stable return null::uuid;
      alter table blob_refs disable trigger blob_ref_added`);
    const { drift } = await run(await readMigrations());
    const about = (lines: readonly string[] = []): string[] =>
      [...new Set(lines.map((line) => line.split(" ").slice(0, 2).join(" ")))].sort();
    expect(about(drift?.missing)).toEqual([
      "column contexts.key_rules",
      "function auterity_tenant()",
      "policy mailboxes.worker",
      "table blobs",
      "trigger blob_refs.blob_ref_added",
    ]);
    expect(about(drift?.added)).toEqual([
      "column contexts.key_rules",
      "function auterity_tenant()",
      "grant dead_letters",
      "index CREATE",
      "table blobs",
      "trigger blob_refs.blob_ref_added",
    ]);
  });

  test("do not take partitions, which come and go, for drift", async () => {
    const partitioned = step(1, "create table frames (at date not null) partition by range (at)");
    await run([partitioned]);
    await owner.query("create table frames_1 partition of frames for values from ('2026-01-01') to ('2026-01-02')");
    expect(await run([partitioned])).toEqual({ applied: [], drift: undefined });
  });

  test.each([
    ["a file changed after it was applied", [step(1, "select 1", "other"), step(2, "select 2")], "changed after"],
    ["a file that is missing", [step(1, "select 1")], "does not know"],
    ["a file that came in between", [step(0, "create table late ()"), step(1, "select 1"), step(2, "select 2")], "missing in the database"],
  ])("refuse %s, before changing anything", async (_, files, message) => {
    await run([step(1, "select 1"), step(2, "select 2")]);
    await expect(run([...files, step(9, "create table never ()")])).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringContaining(message),
    });
    expect(await tables()).toEqual([]);
  });

  test("leave nothing of a file that fails, keep those before it, and go on when it is corrected", async () => {
    const good = step(1, "create table kept ()");
    await expect(run([good, step(2, "create table lost (); select 1/0")])).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining("0002_step_2"),
    });
    expect(await tables()).toEqual(["kept"]);
    expect(await run([good, step(2, "create table corrected ()")])).toMatchObject({ applied: [2] });
    expect(await tables()).toEqual(["corrected", "kept"]);
  });

  test("run outside a transaction when the file asks for it", async () => {
    const files = [
      step(1, "create table things (n int)"),
      step(2, "-- auterity:no-transaction\ncreate index concurrently things_n on things (n);"),
    ];
    expect(await run(files)).toMatchObject({ applied: [1, 2] });
  });

  test("are applied by one of many nodes that start together", async () => {
    const files = [step(1, "create table once (); select pg_sleep(0.2)"), step(2, "create table twice ()")];
    const clients = await Promise.all(Array.from({ length: 4 }, () => db.connect("auterity_owner")));
    const outcomes = await Promise.all(clients.map((client) => migrate(client, files, silentLog)));
    expect(outcomes.map(({ applied }) => applied.length).sort((a, b) => a - b)).toEqual([0, 0, 0, 2]);
  });
});

describe("reading migrations", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "auterity-migrations-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("sorts by number, and takes line ends of all systems for the same", async () => {
    await writeFile(join(folder, "0002_b.sql"), "select 2;\r\n");
    await writeFile(join(folder, "0001_a.sql"), "select 1;\n");
    await writeFile(join(folder, "README.md"), "not SQL");
    const windows = await readMigrations(folder);
    await writeFile(join(folder, "0002_b.sql"), "select 2;\n");
    expect(windows.map(({ number, name }) => ({ number, name }))).toEqual([
      { number: 1, name: "a" },
      { number: 2, name: "b" },
    ]);
    expect(await readMigrations(folder)).toEqual(windows);
  });

  test("refuses a number used twice and a name without one", async () => {
    await writeFile(join(folder, "0001_a.sql"), "");
    await writeFile(join(folder, "0001_b.sql"), "");
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: "internal" });
    await rm(join(folder, "0001_b.sql"));
    await writeFile(join(folder, "second.sql"), "");
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: "internal" });
  });
});

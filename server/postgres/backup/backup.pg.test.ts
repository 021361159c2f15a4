import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { newId } from "#server/kernel/ids.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { backupDatabase } from "./backup.ts";
import { restoreDatabase } from "./restore.ts";

/** One table with everything that could be written wrongly, and one partitioned by time. Not part of any migration. */
const EXTRA_TABLES = `
  create table every_type (
    n bigint generated always as identity primary key, tenant_id uuid not null, i integer, f double precision, d numeric, b boolean, t text,
    bin bytea, j jsonb, raw json, at timestamptz, day date, length interval, list text[], grid bytea[], doubled integer generated always as (i * 2) stored
  );
  select auterity_protect('every_type');
  create table by_day (tenant_id uuid not null, at timestamptz not null, n integer) partition by range (at);
  select auterity_protect('by_day');`;
const PARTITION = "create table by_day_1 partition of by_day for values from ('2026-11-23 00:00:00+00') to ('2026-11-24 00:00:00+00')";

describe("backup and restore", () => {
  let source: TestDatabase;
  let target: TestDatabase;
  let folder: string;

  beforeEach(async () => {
    [source, target] = await Promise.all([testDatabase(), testDatabase()]);
    folder = await mkdtemp(join(tmpdir(), "auterity-backup-"));
    await target.ownerPool.query("delete from tenants");
    for (const db of [source, target]) await db.ownerPool.query(EXTRA_TABLES);
    await source.ownerPool.query(PARTITION);
  });
  afterEach(async () => {
    await Promise.all([source.close(), target.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  const fill = async (): Promise<void> => {
    const { ownerPool, tenantId } = source;
    const hash = createHash("sha256").update("x").digest();
    const text = "tab\t newline\n return\r backslash \\ quote\" '' dollar $1 \\. \\N \u{1F697} é";
    await ownerPool.query(
      `insert into every_type (tenant_id, i, f, d, b, t, bin, j, raw, at, day, length, list, grid) values
       ($1, 1, 0.1, 123456789012345678901234567890.000000001, true, $2, $3, $4, $5, '2026-11-23 01:02:03.456789+05', '0044-03-15 BC', '1 mon -2 days 03:04:05.000006', array[$2, '', null, '\\N'], array[$3::bytea]),
       ($1, -2147, 'NaN', 'NaN', false, '', '', 'null', ' {"a" : 1,\n "a":2}', 'infinity', '-infinity', '0', '{}', '{}'),
       ($1, null, '-infinity', null, null, null, null, null, null, null, null, null, null, null)`,
      [
        tenantId,
        text,
        Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256)),
        JSON.stringify({ text, deep: [1e300, null, { "": -0 }] }),
        '{"n": 1.10}',
      ],
    );
    await ownerPool.query("insert into every_type (tenant_id, bin, t) values ($1, $2, $3)", [
      tenantId,
      Buffer.alloc(3 * 1024 * 1024, 7),
      "y".repeat(3_000_000),
    ]);
    await ownerPool.query(
      "insert into every_type (tenant_id, i, t) select $1, g, repeat('row ', g % 50) from generate_series(1, 20000) g",
      [tenantId],
    );
    await ownerPool.query("insert into by_day values ($1, '2026-11-23 12:00+00', 1)", [tenantId]);
    await ownerPool.query("insert into blobs (tenant_id, id, size_bytes, chunk_count) values ($1, $2, 1, 1)", [tenantId, hash]);
    await ownerPool.query("insert into blob_chunks values ($1, $2, 0, 'x')", [tenantId, hash]);
    await ownerPool.query("insert into blob_refs (tenant_id, blob_id, owner_kind, owner_id) values ($1, $2, 'run', 'r')", [tenantId, hash]);
    await ownerPool.query("insert into mailboxes (id, tenant_id, address) values ($1, $2, 'agent:scribe')", [
      newId(),
      await source.secondTenant(),
    ]);
  };
  /** Digests of all rows of all tables that hold any. */
  const contents = async ({ ownerPool }: TestDatabase): Promise<Record<string, string>> => {
    const { rows } = await ownerPool.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname not like 'schema\\_%'",
    );
    const found: Record<string, string> = {};
    for (const { name } of rows) {
      const digest = await ownerPool.query<{ md5: string | null }>(
        `select md5(string_agg(t::text, chr(10) order by t::text)) from "${name}" t`,
      );
      if (digest.rows[0]?.md5) found[name] = digest.rows[0].md5;
    }
    return found;
  };
  const dump = async (): Promise<Buffer> => {
    const through = new PassThrough();
    const [bytes] = await Promise.all([buffer(through), backupDatabase(source.url(), through)]);
    return bytes;
  };
  const refused = { code: "backup_invalid", left: {} };
  const attempt = async (bytes: Buffer): Promise<unknown> => {
    const outcome = await restoreDatabase(target.url(), Readable.from([bytes])).catch((error: unknown) => error);
    return { code: outcome instanceof AppError ? outcome.code : outcome, left: await contents(target) };
  };

  test("bring every row of every table over, byte for byte", async () => {
    await fill();
    const file = join(folder, "auterity.backup");
    const written = await backupDatabase(source.url(), file);
    const read = await restoreDatabase(target.url(), file);
    const present = await contents(source);
    expect(await contents(target)).toEqual(present);
    expect(Object.keys(present).sort()).toEqual([
      "blob_chunks",
      "blob_refs",
      "blobs",
      "by_day",
      "by_day_1",
      "every_type",
      "mailboxes",
      "tenants",
    ]);
    expect(read).toEqual(written);
    expect(written.rows).toBe(20_011);
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect(await readdir(folder)).toEqual(["auterity.backup"]);
  });

  test("leave the target as protected as before, its triggers on and its numbers going on", async () => {
    await fill();
    await restoreDatabase(target.url(), Readable.from([await dump()]));
    const { rows: open } = await target.ownerPool.query(
      "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relforcerowsecurity and relname not like 'schema\\_%'",
    );
    const { rows: resting } = await target.ownerPool.query("select tgname from pg_trigger where tgenabled <> 'O' and not tgisinternal");
    const next = await target.ownerPool.query<{ n: string }>("insert into every_type (tenant_id) values ($1) returning n", [
      source.tenantId,
    ]);
    const stranger = await target.database.asTenant(newId(), (tx) => tx.query("select n from every_type"));
    expect({ open, resting, stranger }).toEqual({ open: [], resting: [], stranger: [] });
    expect(next.rows).toEqual([{ n: "20005" }]);
  });

  test("take one snapshot, whatever is written meanwhile", async () => {
    await fill();
    let interfered = false;
    const chunks: Buffer[] = [];
    const interfere = async (chunk: unknown): Promise<void> => {
      if (chunk instanceof Buffer) chunks.push(chunk);
      if (interfered) return;
      interfered = true;
      await source.ownerPool.query("delete from mailboxes; insert into every_type (tenant_id) values (gen_random_uuid())");
    };
    const slow = Writable.fromWeb(new WritableStream({ write: interfere }));
    await backupDatabase(source.url(), slow);
    const summary = await restoreDatabase(target.url(), Readable.from(chunks));
    expect(interfered).toBe(true);
    expect(summary.rows).toBe(20_011);
  });

  test("work with the owner's login alone", async () => {
    const bytes = new PassThrough();
    await Promise.all([restoreDatabase(target.url("auterity_owner"), bytes), backupDatabase(source.url("auterity_owner"), bytes)]);
    expect(await contents(target)).toEqual(await contents(source));
  });

  test("refuse a database that is not empty", async () => {
    const bytes = await dump();
    await target.ownerPool.query("insert into tenants (id, name) values (gen_random_uuid(), 'already here')");
    await expect(restoreDatabase(target.url(), Readable.from([bytes]))).rejects.toMatchObject({
      code: "backup_invalid",
      message: expect.stringContaining("tenants"),
    });
  });

  test("refuse the backup of another schema", async () => {
    const bytes = await dump();
    await target.ownerPool.query("update schema_migrations set checksum = 'other' where number = 1");
    expect(await attempt(bytes)).toEqual(refused);
  });

  test("refuse a file that was cut, changed, lengthened, or is none", async () => {
    await fill();
    const bytes = await dump();
    const plain = gunzipSync(bytes);
    const changed = Buffer.from(plain);
    const position = changed.indexOf("row row");
    changed.write("raw", position);
    const header = plain.subarray(0, plain.indexOf(10) + 1).toString();
    const withHeader = (text: string): Buffer => gzipSync(Buffer.concat([Buffer.from(text), plain.subarray(header.length)]));

    const files: Record<string, Buffer> = {
      "cut at its end": bytes.subarray(0, bytes.length - 100),
      "cut in its header": bytes.subarray(0, 20),
      "without checksum": gzipSync(plain.subarray(0, plain.length - 75)),
      "with a changed row": gzipSync(changed),
      lengthened: gzipSync(Buffer.concat([plain, Buffer.from("more")])),
      "not packed": Buffer.from("not a backup"),
      "empty header": gzipSync(Buffer.from("{}\n")),
      "endless header": gzipSync(Buffer.alloc(6 * 1024 * 1024, "x")),
      "newer format": withHeader(header.replace('"version":1', '"version":2')),
      "wrong count": withHeader(header.replace('"rows":20004', '"rows":20003')),
      "evil partition": withHeader(header.replace('"name":"by_day_1"', '"name":"x; drop table tenants"')),
      "partition of nothing": withHeader(header.replace('"parent":"by_day"', '"parent":"nowhere"')),
      "other table": withHeader(header.replace('"every_type"', '"any_type"')),
      "endless piece": gzipSync(Buffer.concat([Buffer.from(header), Buffer.from("99999999\n")])),
      "row that does not fit": gzipSync(Buffer.concat([Buffer.from(header), Buffer.from("4\nx\ty\n0\n")])),
    };
    const outcomes: Record<string, unknown> = {};
    for (const [name, file] of Object.entries(files)) outcomes[name] = await attempt(file);
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(files).map((name) => [name, refused])));
    await expect(restoreDatabase(target.url(), join(folder, "nowhere"))).rejects.toMatchObject({ code: "backup_invalid" });
  });

  test("leave no half file behind when writing fails, and do not touch an older one", async () => {
    const file = join(folder, "auterity.backup");
    await writeFile(file, "older");
    await fill();
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error("no space")) });
    await expect(backupDatabase(source.url(), full)).rejects.toThrow("no space");
    await expect(backupDatabase(source.url(), join(folder, "missing", "x"))).rejects.toThrow("ENOENT");
    expect(await readFile(file, "utf8")).toBe("older");
    expect(await readdir(folder)).toEqual(["auterity.backup"]);
  });
});

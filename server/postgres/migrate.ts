import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import { AppError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { holdingLock } from "./advisory-lock.ts";
import { findSchemaDrift, noteSchema, type SchemaDrift } from "./describe-schema.ts";

export type Migration = { number: number; name: string; sql: string; checksum: string };

const MIGRATIONS_FOLDER = join(import.meta.dirname, "migrations");
const FILE = /^(\d{4})_([a-z0-9_]+)\.sql$/;
/** First line of a migration that cannot run in a transaction, such as CREATE INDEX CONCURRENTLY. Then it has one statement. */
export const NO_TRANSACTION = "-- auterity:no-transaction";

/** All migrations in order. Throws on a file that is named wrongly or a number used twice: both are mistakes in the release. */
export async function readMigrations(folder: string = MIGRATIONS_FOLDER): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  const migrations = await Promise.all(files.map((file) => readMigration(folder, file)));
  const twice = migrations.find(({ number }, i) => migrations[i + 1]?.number === number);
  if (twice) throw new AppError("internal", `Two migrations have the number ${twice.number}.`);
  return migrations;
}

async function readMigration(folder: string, file: string): Promise<Migration> {
  const [, number, name] = FILE.exec(file) ?? [];
  if (number === undefined || name === undefined) {
    throw new AppError("internal", `The migration ${file} should be named like 0007_add_run_lease.sql.`);
  }
  const sql = (await readFile(join(folder, file), "utf8")).replaceAll("\r\n", "\n");
  return { number: Number(number), name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
}

export type Migrated = { applied: number[]; drift: SchemaDrift | undefined };

/**
 * Brings the schema up to date; one node at a time, each file in a transaction with its record. `client` must be logged in
 * as auterity_owner. Refuses, before changing anything, a database whose history is not the beginning of ours. With nothing
 * to apply, it looks instead for changes made by hand, and reports them: they may be an operator's index, so they do not stop us.
 */
export async function migrate(client: Client, migrations: readonly Migration[], log: Log): Promise<Migrated> {
  return holdingLock(client, "migrations", async () => {
    await client.query(`
      create table if not exists schema_migrations (
        number integer primary key,
        name text not null,
        checksum text not null,
        applied_at timestamptz not null default clock_timestamp()
      );
      create table if not exists schema_description (line text primary key)`);
    const pending = pendingMigrations(migrations, await appliedMigrations(client));
    for (const migration of pending) {
      await apply(client, migration, migration === pending.at(-1));
      log.info("migration applied", { number: migration.number, name: migration.name });
    }
    const drift = pending.length > 0 ? undefined : await findSchemaDrift(client);
    if (drift) log.warn("the database's schema was changed by hand since the last migration", drift);
    return { applied: pending.map(({ number }) => number), drift };
  });
}

export type Applied = { number: number; name: string; checksum: string };

export async function appliedMigrations(client: Client): Promise<Applied[]> {
  const { rows } = await client.query<Applied>("select number, name, checksum from schema_migrations order by number");
  return rows;
}

/** What is still to be applied, in order; `config_invalid` when the database's history and the files disagree. */
function pendingMigrations(files: readonly Migration[], applied: readonly Applied[]): Migration[] {
  for (const [i, done] of applied.entries()) {
    const label = String(done.number).padStart(4, "0");
    const file = files.find(({ number }) => number === done.number);
    if (file === undefined) {
      throw drift(
        `The database has migration ${label}_${done.name}, which this version does not know`,
        "Start a version at least as new as the one that ran last.",
      );
    }
    if (file.checksum !== done.checksum || file.name !== done.name) {
      throw drift(
        `Migration ${label}_${done.name} was changed after it had been applied`,
        "Restore the released file, or restore the database from a backup.",
      );
    }
    if (files[i]?.number !== done.number) {
      throw drift(
        `Migration ${files[i]?.number} is missing in the database although ${label} was applied`,
        "Give the new migration a number above all released ones.",
      );
    }
  }
  return files.slice(applied.length);
}

function drift(what: string, remedy: string): AppError {
  return new AppError("config_invalid", `${what}.`, { remedy });
}

async function apply(client: Client, { number, name, sql, checksum }: Migration, isLast: boolean): Promise<void> {
  const transactional = !sql.startsWith(NO_TRANSACTION);
  try {
    // A migration that waits for a lock makes everybody queue behind it; better to fail and be started again.
    await client.query("set lock_timeout = '10s'");
    if (transactional) await client.query("begin");
    await client.query(sql);
    await client.query("insert into schema_migrations (number, name, checksum) values ($1, $2, $3)", [number, name, checksum]);
    // In the same transaction, so that a crash here cannot make the next start report our own change as somebody else's.
    if (isLast) await noteSchema(client);
    if (transactional) await client.query("commit");
  } catch (cause) {
    await client.query("rollback").catch(() => {});
    const reason = cause instanceof Error ? cause.message : "unknown reason";
    throw new AppError("internal", `Migration ${String(number).padStart(4, "0")}_${name} failed: ${reason}`, { cause });
  }
}

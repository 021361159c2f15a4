import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Client } from "pg";
import { AppError } from "../../kernel/errors.ts";
import { sqlState } from "../../kernel/pg-errors.ts";
import { connect } from "../connection.ts";
import { appliedMigrations } from "../migrate.ts";
import { copyIn } from "./copy.ts";
import { BackupHeader, BackupReader, MAX_PIECE_BYTES, damaged, summarise, type BackupSummary } from "./format.ts";
import { listPartitions, listTables, quote, type BackupTable } from "./inventory.ts";

/**
 * Fills an empty, migrated database from a backup, in one transaction: afterwards everything is there, or, with
 * `backup_invalid`, nothing. The platform must not be serving it. `url` is a login that may become auterity_owner.
 */
export async function restoreDatabase(url: string, source: string | Readable): Promise<BackupSummary> {
  const client = await connect(url);
  const packed: Readable = typeof source === "string" ? createReadStream(source) : source;
  const plain = createGunzip();
  // A stream that breaks while nobody reads keeps its error for the next reader.
  plain.on("error", () => {});
  packed.on("error", (error: Error) => plain.destroy(error)).pipe(plain);
  try {
    return await restore(client, new BackupReader(plain));
  } catch (error) {
    // Class 22 and 23: the server refused a row. With an intact file this cannot happen.
    throw /^2[23]/.test(sqlState(error) ?? "") ? damaged("the database refused its rows", error) : error;
  } finally {
    plain.destroy();
    packed.destroy();
    // Ends the transaction, also in the middle of a COPY.
    await client.end();
  }
}

async function restore(client: Client, reader: BackupReader): Promise<BackupSummary> {
  const header = readHeader(await reader.line());
  await client.query("begin; set local role auterity_owner; set local timezone to 'UTC'");
  await compareSchema(client, header);
  const tables = await listTables(client);
  await requireEmpty(client, tables);
  await makePartitions(client, header);
  for (const [i, table] of tables.entries()) await restoreTable(client, reader, { table, rows: header.tables[i]?.rows ?? 0 });
  for (const { name, lastValue } of header.sequences) {
    await client.query("select setval(format('public.%I', $1::text)::regclass, $2::bigint)", [name, lastValue]);
  }
  await reader.verify();
  await client.query("commit");
  await client.query("analyze");
  return summarise(header);
}

function readHeader(line: string): BackupHeader {
  const parsed = BackupHeader.safeParse(parseJson(line));
  if (!parsed.success) throw damaged("it does not begin like a backup of this version", parsed.error);
  return parsed.data;
}

/** Rows fit only the schema they came from, table by table and column by column. */
async function compareSchema(client: Client, header: BackupHeader): Promise<void> {
  const describe = (applied: BackupHeader["migrations"]): string =>
    applied.map(({ number, checksum }) => `${number} ${checksum}`).join("\n");
  const here = await appliedMigrations(client);
  if (describe(here) !== describe(header.migrations)) {
    const last = (applied: BackupHeader["migrations"]): string => String(applied.at(-1)?.number ?? "none");
    throw new AppError(
      "backup_invalid",
      `The backup was made by another version: its schema is at migration ${last(header.migrations)}, this database at ${last(here)}.`,
      {
        remedy: "Restore with the version that made the backup, then upgrade.",
      },
    );
  }
  const shape = (tables: readonly BackupTable[]): string => tables.map(({ name, columns }) => `${name}(${columns.join()})`).join("\n");
  if (shape(await listTables(client)) !== shape(header.tables)) throw damaged("its tables are not those of its own schema");
}

async function requireEmpty(client: Client, tables: readonly BackupTable[]): Promise<void> {
  await client.query(
    `lock table ${quote(
      client,
      tables.map(({ name }) => name),
    )} in access exclusive mode`,
  );
  for (const { name } of tables) {
    const { rowCount } = await client.query(`select from ${quote(client, [name])} limit 1`);
    if (rowCount !== 0) {
      throw new AppError("backup_invalid", `The database is not empty: table ${name} has rows.`, {
        remedy: "Restore into a new database: choose an empty AUTERITY_DATA_DIR or DATABASE_URL, and do not start the platform before.",
      });
    }
  }
}

async function makePartitions(client: Client, header: BackupHeader): Promise<void> {
  const present = new Set((await listPartitions(client)).map(({ name }) => name));
  const partitioned = new Set(header.tables.map(({ name }) => name));
  for (const { name, parent, bound } of header.partitions) {
    if (present.has(name)) continue;
    if (!partitioned.has(parent)) throw damaged(`it has a partition of ${parent}, which it does not have`);
    const table = quote(client, [name]);
    await client.query(`create table ${table} partition of ${quote(client, [parent])} ${bound}`);
    await client.query(`
      alter table ${table} enable row level security;
      alter table ${table} force row level security;
      create policy owner on ${table} for all to auterity_owner using (true) with check (true)`);
  }
}

type TableRows = { table: BackupTable; rows: number };
/**
 * COPY is refused to whom row-level security binds, so the owner steps out of it for this table and this transaction. Triggers
 * rest too: what they would add is in the backup already. Foreign keys are checked.
 */
async function restoreTable(client: Client, reader: BackupReader, { table, rows }: TableRows): Promise<void> {
  const name = quote(client, [table.name]);
  await client.query(`alter table ${name} no force row level security; alter table ${name} disable trigger user`);
  const copy = await copyIn(client, `${name} (${quote(client, table.columns)})`);
  for (let length = await pieceLength(reader); length > 0; length = await pieceLength(reader)) {
    for await (const piece of reader.bytes(length)) await copy.write(piece);
  }
  await copy.finish();
  await client.query(`alter table ${name} enable trigger user; alter table ${name} force row level security`);
  const counted = await client.query<{ rows: string }>(`select count(*) as rows from ${name}`);
  if (Number(counted.rows[0]?.rows) !== rows)
    throw damaged(`table ${table.name} has ${counted.rows[0]?.rows} rows, and should have ${rows}`);
}

async function pieceLength(reader: BackupReader): Promise<number> {
  const line = await reader.line();
  const length = /^\d{1,9}$/.test(line) ? Number(line) : Number.NaN;
  if (!(length <= MAX_PIECE_BYTES)) throw damaged("a length is not a number, or too large");
  return length;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

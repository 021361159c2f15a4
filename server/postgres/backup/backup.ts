import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Client } from "pg";
import { connect } from "../connection.ts";
import { appliedMigrations } from "../migrate.ts";
import { copyOut } from "./copy.ts";
import { FORMAT, FORMAT_VERSION, MAX_PIECE_BYTES, summarise, type BackupHeader, type BackupSummary } from "./format.ts";
import { listPartitions, listSequences, listTables, quote } from "./inventory.ts";

/**
 * Writes one consistent snapshot of every table while the platform goes on. A file appears under its name only when it
 * is complete. Encrypted values stay encrypted: restoring them needs the same AUTERITY_ENCRYPTION_KEY or key file.
 * `url` is a login that may become auterity_owner.
 */
export async function backupDatabase(url: string, target: string | Writable): Promise<BackupSummary> {
  const client = await connect(url);
  try {
    await client.query("begin isolation level repeatable read read only; set local role auterity_owner; set local timezone to 'UTC'");
    const header = await readHeader(client);
    const dump = Readable.from(withChecksum(write(client, header)));
    await (typeof target === "string" ? toFile(dump, target) : pipeline(dump, createGzip({ level: 6 }), target));
    return summarise(header);
  } finally {
    await client.end();
  }
}

async function toFile(dump: Readable, file: string): Promise<void> {
  const unfinished = `${file}.${process.pid}.unfinished`;
  try {
    await pipeline(dump, createGzip({ level: 6 }), createWriteStream(unfinished, { mode: 0o600, flags: "wx", flush: true }));
    await rename(unfinished, file);
  } finally {
    await rm(unfinished, { force: true });
  }
}

async function readHeader(client: Client): Promise<BackupHeader> {
  const { rows } = await client.query<{ now: string }>("select to_json(now()) #>> '{}' as now");
  const tables = [];
  for (const table of await listTables(client)) {
    const counted = await client.query<{ rows: string }>(`select count(*) as rows from ${quote(client, [table.name])}`);
    tables.push({ ...table, rows: Number(counted.rows[0]?.rows) });
  }
  return {
    format: FORMAT,
    version: FORMAT_VERSION,
    createdAt: rows[0]?.now ?? "",
    migrations: await appliedMigrations(client),
    tables,
    partitions: await listPartitions(client),
    sequences: await listSequences(client),
  };
}

async function* write(client: Client, header: BackupHeader): AsyncGenerator<string | Buffer> {
  yield `${JSON.stringify(header)}\n`;
  for (const { name, columns } of header.tables) {
    const rows = copyOut(client, `select ${quote(client, columns)} from ${quote(client, [name])}`);
    for await (const piece of rows) {
      if (piece instanceof Buffer) yield* frame(piece);
    }
    yield "0\n";
  }
}

function* frame(bytes: Buffer): Generator<string | Buffer> {
  for (let start = 0; start < bytes.length; start += MAX_PIECE_BYTES) {
    const piece = bytes.subarray(start, start + MAX_PIECE_BYTES);
    yield `${piece.length}\n`;
    yield piece;
  }
}

async function* withChecksum(parts: AsyncIterable<string | Buffer>): AsyncGenerator<string | Buffer> {
  const hash = createHash("sha256");
  for await (const part of parts) {
    hash.update(part);
    yield part;
  }
  yield `sha256 ${hash.digest("hex")}\n`;
}

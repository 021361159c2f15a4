import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { z } from "zod";
import { AppError } from "../../kernel/errors.ts";

/*
 * A backup is a gzip stream of
 *   one line of JSON: the header
 *   for each table of the header, in its order: pieces of PostgreSQL's COPY text format, each as a line with its length in
 *     bytes and then the bytes; a line "0" ends the table
 *   a line "sha256 <hex>" over everything before it
 * Lengths, unlike an end mark, let a reader pass the rows on without looking at them.
 */

export const FORMAT = "auterity-backup";
export const FORMAT_VERSION = 1;
/** Rows longer than this are cut into several pieces; a longer piece was not written by us. */
export const MAX_PIECE_BYTES = 1024 * 1024;
const MAX_LINE_BYTES = 4 * 1024 * 1024;

const Name = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);
export const BackupHeader = z.object({
  format: z.literal(FORMAT),
  version: z.literal(FORMAT_VERSION),
  createdAt: z.string(),
  /** The schema the rows belong to. */
  migrations: z.array(z.object({ number: z.number().int(), name: z.string(), checksum: z.string() })),
  /** In an order in which foreign keys hold. */
  tables: z.array(z.object({ name: Name, columns: z.array(Name), rows: z.number().int().nonnegative() })),
  /** Partitions that have to exist before their table's rows; `bound` as PostgreSQL prints it. */
  partitions: z.array(
    z.object({ name: Name, parent: Name, bound: z.string().regex(/^(DEFAULT|FOR VALUES [A-Z]+ \([\w :.+'-]*\)( TO \([\w :.+'-]*\))?)$/) }),
  ),
  sequences: z.array(z.object({ name: Name, lastValue: z.string().regex(/^-?\d+$/) })),
});
export type BackupHeader = z.infer<typeof BackupHeader>;

export type BackupSummary = { tables: number; rows: number };
export const summarise = ({ tables }: BackupHeader): BackupSummary => ({
  tables: tables.length,
  rows: tables.reduce((sum, { rows }) => sum + rows, 0),
});

export const damaged = (what: string, cause?: unknown): AppError =>
  new AppError("backup_invalid", `The backup is damaged: ${what}.`, { cause });

/** Reads lines and counted bytes off a stream, hashing all it hands out. What is missing or too long is `backup_invalid`. */
export class BackupReader {
  readonly #chunks: AsyncIterator<unknown>;
  readonly #hash = createHash("sha256");
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: Readable) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Without its line end. */
  async line(): Promise<string> {
    let end = this.#rest.indexOf(10);
    while (end === -1) {
      if (this.#rest.length > MAX_LINE_BYTES) throw damaged("a line is too long");
      const searched = this.#rest.length;
      await this.#fill();
      end = this.#rest.indexOf(10, searched);
    }
    return this.#take(end + 1).toString("utf8", 0, end);
  }

  /** Exactly `length` bytes, in pieces as they come. */
  async *bytes(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0) await this.#fill();
      const piece = this.#take(Math.min(left, this.#rest.length));
      left -= piece.length;
      yield piece;
    }
  }

  /** Reads the last line and compares it with all that was read before. Nothing may follow. */
  async verify(): Promise<void> {
    const expected = `sha256 ${this.#hash.copy().digest("hex")}`;
    if ((await this.line()) !== expected) throw damaged("the checksum does not fit");
    if (this.#rest.length > 0 || !(await this.#next()).done) throw damaged("something follows its end");
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.#hash.update(taken);
    return taken;
  }

  async #fill(): Promise<void> {
    const { done, value } = await this.#next();
    if (done === true) throw damaged("it ends too early");
    if (value instanceof Buffer) this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
  }

  async #next(): Promise<IteratorResult<unknown>> {
    try {
      return await this.#chunks.next();
    } catch (cause) {
      throw damaged("it cannot be read or unpacked", cause);
    }
  }
}

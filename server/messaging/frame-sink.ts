import { backoffDelay } from "#server/kernel/backoff.ts";
import { background, type Log } from "#server/kernel/log.ts";
import { sqlState } from "#server/kernel/pg-errors.ts";
import type { Frame, FrameSink, Redactor, ValueCodec } from "#server/kernel/ports.ts";
import { toFrameRow, type FrameRow } from "./frame-row.ts";
import type { FrameStore } from "./frame-store.ts";

const BATCH_ROWS = 200;
const FLUSH_AFTER_MS = 50;
const RETRY = { backoffMs: 100, factor: 2, maxMs: 5_000, jitter: 0.2 };
/** What may wait while the database is away; beyond either, new frames are dropped and counted. */
const MAX_WAITING = { rows: 10_000, bytes: 32 * 1024 * 1024 };

export type FrameCounts = { waiting: number; written: number; dropped: number };
type Deps = { store: FrameStore; redactor: Redactor; codec: ValueCodec; log: Log; newId: () => string; now: () => Date };

/**
 * Frames wait at most 50 ms and are written 200 at a time, one batch after another. A batch that the database cannot take
 * now stays first in the queue and is tried again, later each time; one that it refuses for what is in it is written frame
 * by frame, so that only the offender is lost.
 */
export class BatchingSink implements FrameSink {
  readonly #deps: Deps;
  readonly #waiting: FrameRow[] = [];
  #bytes = 0;
  #written = 0;
  #dropped = 0;
  #failures = 0;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  record(frame: Frame): void {
    if (this.#stopped) return;
    try {
      this.#enqueue(frame);
    } catch (error) {
      this.#drop("not representable", error);
    }
  }

  counts(): FrameCounts {
    return { waiting: this.#waiting.length, written: this.#written, dropped: this.#dropped };
  }

  /** Resolves when all frames recorded until now are written or dropped, or one try to write them has failed. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeAll();
    await this.#writing;
  }

  /** The last flush; what is recorded afterwards, or still cannot be written, is lost. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.flush();
    for (let left = this.#waiting.length; left > 0; left--) this.#drop("the platform stops");
    this.#waiting.length = 0;
  }

  #enqueue(frame: Frame): void {
    const { newId, now, redactor, codec } = this.#deps;
    const row = toFrameRow(frame, { id: newId(), at: now(), redactor, codec });
    const isFull = this.#waiting.length >= MAX_WAITING.rows || this.#bytes + row.body.length > MAX_WAITING.bytes;
    if (isFull) return this.#drop("too many frames wait");
    this.#waiting.push(row);
    this.#bytes += row.body.length;
    // Whoever is writing goes on until nothing waits, or sets the time of the next try itself.
    if (this.#writing === undefined) this.#schedule(this.#waiting.length >= BATCH_ROWS && this.#failures === 0 ? 0 : FLUSH_AFTER_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped || (this.#timer !== undefined && delayMs > 0)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => background(this.#deps.log, "writing protocol frames", () => this.flush()), delayMs);
    this.#timer.unref();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#writeBatch();
    } catch (error) {
      this.#failures += 1;
      const { length: waiting } = this.#waiting;
      this.#deps.log.warn("protocol frames could not be written and will be tried again", { waiting, failures: this.#failures, error });
    } finally {
      this.#writing = undefined;
      if (this.#waiting.length > 0)
        this.#schedule(this.#failures === 0 ? FLUSH_AFTER_MS : backoffDelay(RETRY, this.#failures, Math.random()));
    }
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#waiting.slice(0, BATCH_ROWS);
    try {
      await this.#deps.store.insert(batch);
      this.#written += batch.length;
      this.#leave(batch);
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      for (const row of batch) await this.#writeAlone(row);
    }
    this.#failures = 0;
  }

  async #writeAlone(row: FrameRow): Promise<void> {
    try {
      await this.#deps.store.insert([row]);
      this.#written += 1;
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.#drop("refused by the database", error);
    }
    this.#leave([row]);
  }

  /** The first rows of the queue are done with. */
  #leave(rows: readonly FrameRow[]): void {
    this.#waiting.splice(0, rows.length);
    this.#bytes -= rows.reduce((sum, row) => sum + row.body.length, 0);
  }

  /** Says so at the first and then at every thousandth, lest the log drown as well. */
  #drop(why: string, error?: unknown): void {
    this.#dropped += 1;
    if (this.#dropped % 1_000 === 1) this.#deps.log.warn("protocol frames are being dropped", { why, dropped: this.#dropped, error });
  }
}

/** Data exceptions and constraint violations: trying the same rows again cannot help. */
const isAboutContent = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? "");

import { setTimeout as pause } from "node:timers/promises";
import { LIMITS } from "#contract/limits.ts";
import { backoffDelay } from "#server/kernel/backoff.ts";
import { background, type Log } from "#server/kernel/log.ts";
import { sqlState } from "#server/kernel/pg-errors.ts";
import type { Frame, FrameSink, Redactor, ValueCodec } from "#server/kernel/ports.ts";
import { cleaner, toFrameRow, toWaiting, type FrameRow, type WaitingFrame } from "./frame-row.ts";
import type { FrameStore } from "./frame-store.ts";

const BATCH = { rows: 500, chars: 4 * 1024 * 1024 };
const FLUSH_AFTER_MS = 50;
const RETRY = { backoffMs: 100, factor: 2, maxMs: 5_000, jitter: 0.2 };

export type FrameCounts = { waiting: number; written: number; dropped: number };
type Deps = { store: FrameStore; redactor: Redactor; codec: ValueCodec; log: Log; newId: () => string; now: () => Date };

/**
 * Recording is a push onto a queue: what it costs to redact, encode and store a frame is spent later, 500 frames at a time, one batch
 * after another, and never more than half of the time, so that calls are not held up by their own records. A batch that the database
 * cannot take now stays first in the queue and is tried again, later each time; one that it refuses for what is in it is written frame
 * by frame, so that only the offender is lost. What does not fit into the queue is counted, and one frame tells how much that was.
 */
export class BatchingSink implements FrameSink {
  readonly #deps: Deps;
  readonly #waiting: WaitingFrame[] = [];
  /** Frames that did not fit, by tenant. */
  readonly #untold = new Map<string, number>();
  #bytes = 0;
  #isHurried = false;
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
    this.#isHurried = true;
    try {
      await this.#write();
    } finally {
      this.#isHurried = false;
    }
  }

  /** The last flush; what is recorded afterwards, or still cannot be written, is lost. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.flush();
    for (let left = this.#waiting.length; left > 0; left--) this.#drop("the platform stops");
    this.#waiting.length = 0;
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // With nothing to write it would have ended before it was kept, and nothing would be written any more.
    if (this.#writing === undefined && this.#waiting.length > 0) this.#writing = this.#writeAll();
    await this.#writing;
  }

  #enqueue(frame: Frame): void {
    const waiting = toWaiting(frame, this.#deps.now());
    const { length } = waiting.text;
    const isFull = this.#waiting.length >= LIMITS.framesWaiting || this.#bytes + length > LIMITS.framesWaitingBytes;
    if (isFull) {
      this.#untold.set(frame.tenantId, (this.#untold.get(frame.tenantId) ?? 0) + 1);
      return this.#drop("too many frames wait");
    }
    this.#waiting.push(waiting);
    this.#bytes += length;
    // Whoever is writing goes on until nothing waits, or sets the time of the next try itself.
    if (this.#writing === undefined && this.#timer === undefined) this.#schedule(FLUSH_AFTER_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => background(this.#deps.log, "writing protocol frames", () => this.#write()), delayMs);
    this.#timer.unref();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const began = performance.now();
        await this.#writeBatch();
        this.#tellDropped();
        if (this.#waiting.length > 0 && !this.#isHurried) await pause(performance.now() - began, undefined, { ref: false });
      }
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
    const batch = this.#nextBatch();
    await this.#prepare(batch);
    try {
      const rows = this.#rowsOf(batch);
      if (rows.length > 0) await this.#deps.store.insert(rows);
      this.#written += rows.length;
      this.#leave(batch);
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      for (const waiting of batch) await this.#writeAlone(waiting);
    }
    this.#failures = 0;
  }

  /** What is confidential is stored encrypted, with a key that has to be there. */
  async #prepare(batch: readonly WaitingFrame[]): Promise<void> {
    const tenants = new Set(batch.flatMap(({ frame }) => (frame.step?.confidential === true ? [frame.tenantId] : [])));
    for (const tenantId of tenants) await this.#deps.store.prepare(tenantId);
  }

  #nextBatch(): WaitingFrame[] {
    let chars = 0;
    let rows = 0;
    for (const { text } of this.#waiting) {
      chars += text.length;
      if (rows > 0 && (rows >= BATCH.rows || chars > BATCH.chars)) break;
      rows += 1;
    }
    return this.#waiting.slice(0, rows);
  }

  #rowsOf(batch: readonly WaitingFrame[]): FrameRow[] {
    const { newId, redactor, codec } = this.#deps;
    const clean = cleaner(redactor);
    return batch.flatMap((waiting) => {
      try {
        return [toFrameRow(waiting, { id: newId(), clean, redactor, codec })];
      } catch (error) {
        this.#drop("not representable", error);
        return [];
      }
    });
  }

  async #writeAlone(waiting: WaitingFrame): Promise<void> {
    const rows = this.#rowsOf([waiting]);
    try {
      if (rows.length > 0) await this.#deps.store.insert(rows);
      this.#written += rows.length;
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.#drop("refused by the database", error);
    }
    this.#leave([waiting]);
  }

  /** The first frames of the queue are done with. */
  #leave(done: readonly WaitingFrame[]): void {
    this.#waiting.splice(0, done.length);
    this.#bytes -= done.reduce((sum, { text }) => sum + text.length, 0);
  }

  /** A gap in what is stored is part of what is stored. */
  #tellDropped(): void {
    const untold = [...this.#untold];
    this.#untold.clear();
    const about = { protocol: "mcp", direction: "in", kind: "notification", from: "auterity", to: "auterity", correlationId: "" } as const;
    for (const [tenantId, dropped] of untold) this.record({ ...about, tenantId, method: "auterity/frames_dropped", content: { dropped } });
  }

  /** Says so at the first and then at every thousandth, lest the log drown as well. */
  #drop(why: string, error?: unknown): void {
    this.#dropped += 1;
    if (this.#dropped % 1_000 === 1) this.#deps.log.warn("protocol frames are being dropped", { why, dropped: this.#dropped, error });
  }
}

/** Data exceptions and constraint violations: trying the same rows again cannot help. */
const isAboutContent = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? "");

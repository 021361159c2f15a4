import { toAppError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { groupByRun, type Append, type Refusal, type RunAppends } from "./append.ts";
import { commitBatch, type Outcome } from "./commit-batch.ts";
import type { JournalSession } from "./session.ts";

export const BATCH_ROWS = 2_000;
export const BATCH_BYTES = 8 * 1024 * 1024;

export type BatchReport = { rows: number; runs: number; ms: number };
type Options = { session: JournalSession; log: Log; onBatch: (report: BatchReport) => void };

/**
 * One connection's queue. At most one batch is in flight; what arrives meanwhile goes together in the next. The first
 * append of an idle lane waits for the end of the current turn of the event loop, never for a timer.
 */
export class JournalLane {
  #queue: Append[] = [];
  #isArmed = false;
  #isFlushing = false;
  #idle: (() => void)[] = [];
  readonly #session: JournalSession;
  readonly #log: Log;
  readonly #onBatch: (report: BatchReport) => void;

  constructor({ session, log, onBatch }: Options) {
    this.#session = session;
    this.#log = log;
    this.#onBatch = onBatch;
  }

  submit(append: Append): void {
    this.#queue.push(append);
    this.#arm();
  }

  /** Resolves when nothing is queued or in flight. */
  async drained(): Promise<void> {
    if (this.#queue.length === 0 && !this.#isFlushing) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #arm(): void {
    if (this.#isArmed || this.#isFlushing) return;
    this.#isArmed = true;
    setImmediate(() => {
      this.#isArmed = false;
      void this.#flush();
    });
  }

  /** Never rejects: every failure becomes the refusal of the appends that it concerns. */
  async #flush(): Promise<void> {
    this.#isFlushing = true;
    const groups = groupByRun(this.#take());
    const began = performance.now();
    try {
      await commitBatch(this.#session, groups, this.#outcome);
    } catch (error) {
      for (const group of groups) if (!group.isSettled) this.#refuse(group, { kind: "failed", error: toAppError(error) });
    }
    this.#report(groups, performance.now() - began);
    this.#isFlushing = false;
    if (this.#queue.length > 0) this.#arm();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  #take(): Append[] {
    let bytes = 0;
    let rows = 0;
    let count = 0;
    for (const append of this.#queue) {
      for (const row of append.rows) bytes += row.body.length;
      rows += append.rows.length;
      if (count > 0 && (rows > BATCH_ROWS || bytes > BATCH_BYTES)) break;
      count += 1;
    }
    if (count < this.#queue.length) return this.#queue.splice(0, count);
    const all = this.#queue;
    this.#queue = [];
    return all;
  }

  readonly #outcome: Outcome = {
    durable: (group, at) => {
      group.isSettled = true;
      for (const append of group.appends) this.#tell(append, () => append.onDurable(at));
    },
    lost: (group) => this.#refuse(group, { kind: "lost" }),
    failed: (group, error) => this.#refuse(group, { kind: "failed", error }),
  };

  /** Also what the run has queued meanwhile: it builds on events that do not exist. */
  #refuse(group: RunAppends, refusal: Refusal): void {
    group.isSettled = true;
    const later = this.#queue.filter(({ holder }) => holder === group.holder);
    if (later.length > 0) this.#queue = this.#queue.filter(({ holder }) => holder !== group.holder);
    for (const append of [...group.appends, ...later]) this.#tell(append, () => append.onRefused(refusal));
  }

  /** A listener that throws must not make the batch look as if it had not been stored. */
  #tell({ holder }: Append, listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#log.error("a run could not take in what became of its events", { runId: holder.id, error });
    }
  }

  #report(groups: readonly RunAppends[], ms: number): void {
    let rows = 0;
    for (const { appends } of groups) for (const append of appends) rows += append.rows.length;
    this.#onBatch({ rows, runs: groups.length, ms });
  }
}

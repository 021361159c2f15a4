import type { Client } from "pg";
import { atMost } from "../../kernel/at-most.ts";
import type { Log } from "../../kernel/log.ts";
import type { Append } from "./append.ts";
import { JournalLane, type BatchReport } from "./lane.ts";
import { createJournalSession } from "./session.ts";

/** Two connections keep both the database and this process busy: one commits while the other's batch is being made. */
export const LANES = 2;

export type JournalWriter = {
  submit(append: Append): void;
  /** The lane for a run that begins to be driven here. */
  nextLane(): number;
  drained(): Promise<void>;
  /** Waits for what is queued, but not for a database that is away: such appends are refused. */
  stop(): Promise<void>;
};

export type WriterOptions = {
  connectWorker: () => Promise<Client>;
  log: Log;
  onBatch?: (report: BatchReport) => void;
  lanes?: number;
  /** How long `stop` waits for the database. */
  stopWithinMs?: number;
  /** How long a connection may take to answer before it counts as broken. */
  answerMs?: number;
};

/** Shared by all runs of a worker. Connects at the first append. */
export function createJournalWriter({
  connectWorker,
  log,
  onBatch,
  lanes = LANES,
  stopWithinMs = 5_000,
  answerMs,
}: WriterOptions): JournalWriter {
  const sessions = Array.from({ length: lanes }, () =>
    createJournalSession({ connectWorker, log, ...(answerMs !== undefined && { answerMs }) }),
  );
  const all = sessions.map((session) => new JournalLane({ session, log, onBatch: onBatch ?? (() => {}) }));
  let next = 0;
  const drained = async (): Promise<void> => {
    await Promise.all(all.map((lane) => lane.drained()));
  };
  return {
    submit: (append) => {
      const lane = all[append.holder.lane % lanes];
      lane?.submit(append);
    },
    nextLane: () => (next = (next + 1) % lanes),
    drained,
    stop: async () => {
      await atMost(stopWithinMs, drained());
      await Promise.all(sessions.map((session) => session.close()));
      await drained();
    },
  };
}

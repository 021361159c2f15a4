import { gather } from "../../kernel/gather.ts";
import { background, type Log } from "../../kernel/log.ts";
import type { Database, ValueCodec } from "../../kernel/ports.ts";
import { SNAPSHOT_EVENTS, type LiveRun } from "../driver/live-run.ts";
import { forgetSnapshots, storeSnapshot, type StoredSnapshot } from "../store/snapshots.pg.ts";
import { sealSnapshot } from "./snapshot-row.ts";

/** Events after which parking a run is worth a snapshot. */
const PARKING_EVENTS = 100;
/** Of a snapshot's size for each event until the next, so that all snapshots together are not larger than the journal. */
const BYTES_PER_EVENT = 256;
/** A larger one is not stored; and no more than this waits to be stored. */
const MAX_BYTES = 64 * 1024 * 1024;
const STORED_AT_ONCE = 2;

type Deps = { database: Database; codec: ValueCodec; log: Log };
type Task = { run: LiveRun; snapshot: StoredSnapshot };

/**
 * Stores the states of long runs as they go, so that another process can go on without reading their journals from the beginning.
 * A state is written down at once, between two events; storing it holds up nobody, and when that fails nothing is lost.
 */
export type Snapshots = {
  /** Events have been folded. */
  progressed(run: LiveRun): void;
  /** The run is about to leave the memory. */
  parking(run: LiveRun): void;
  /** The run is over: nobody will load it again. */
  ended(run: LiveRun): void;
  /** Resolves when nothing is being stored any more. */
  settled(): Promise<void>;
};

/** The event from which the snapshot after this one is due. */
export const snapshotDueAfter = (seq: number, bytes: number): number => seq + Math.max(SNAPSHOT_EVENTS, Math.ceil(bytes / BYTES_PER_EVENT));

export function createSnapshots({ database, codec, log }: Deps): Snapshots {
  const underWay = new Set<Promise<unknown>>();
  let bytesUnderWay = 0;
  const store = gather(
    (tasks: readonly Task[]) => Promise.allSettled(tasks.map(({ run, snapshot }) => storeSnapshot(database, run, snapshot))),
    STORED_AT_ONCE,
  );

  const follow = (name: string, work: Promise<unknown>): void => {
    underWay.add(work);
    background(log, name, () => work.then(() => undefined).finally(() => underWay.delete(work)));
  };

  const keep = async (task: Task): Promise<void> => {
    const { run, snapshot } = task;
    const bytes = snapshot.state.length;
    run.snapshot.isBeingStored = true;
    bytesUnderWay += bytes;
    const result = await store(task);
    bytesUnderWay -= bytes;
    run.snapshot.isBeingStored = false;
    if (result.status === "rejected") log.warn("a snapshot could not be stored", { runId: run.id, error: result.reason });
  };

  const take = (run: LiveRun): void => {
    if (run.snapshot.isBeingStored || bytesUnderWay > MAX_BYTES) return;
    try {
      const snapshot = sealSnapshot(codec, run);
      run.snapshot.seq = snapshot.seq;
      run.snapshot.dueAt = snapshotDueAfter(snapshot.seq, snapshot.state.length);
      if (snapshot.state.length <= MAX_BYTES) follow("storing a snapshot", keep({ run, snapshot }));
    } catch (error) {
      log.warn("a run's state could not be written down; it goes on without snapshots", { runId: run.id, error });
      run.snapshot.dueAt = Number.MAX_SAFE_INTEGER;
    }
  };

  return {
    progressed: (run) => {
      if (run.state.seq >= run.snapshot.dueAt) take(run);
    },
    parking: (run) => {
      const { seq, dueAt } = run.snapshot;
      // A large state is not written down again for a few events, however often its run parks.
      const enough = dueAt - seq > SNAPSHOT_EVENTS ? dueAt - seq : PARKING_EVENTS;
      if (run.state.seq - seq >= enough) take(run);
    },
    ended: (run) => {
      if (run.snapshot.seq === 0) return;
      const earlier = Promise.allSettled(underWay);
      follow(
        "removing a snapshot",
        earlier.then(() => forgetSnapshots(database, run.id)),
      );
    },
    settled: async () => {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };
}

import type { RunStatus } from "#contract/runs.ts";
import { gather } from "../../kernel/gather.ts";
import type { LiveRun } from "../driver/live-run.ts";
import {
  discardInbox,
  parkRuns,
  readInboxes,
  releaseRuns,
  renewLeases,
  showStatus,
  showVersion,
  type Held,
  type Inbox,
  type Parking,
} from "../store/leases.pg.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import type { WorkerDeps } from "./deps.ts";
import { giveUp } from "./give-up.ts";
import { createSnapshots, type Snapshots } from "./snapshots.ts";

const BATCH_RUNS = 500;

/** What a worker does with the rows of the runs it holds; parking and looking into inboxes go in batches. */
export type WorkerStore = {
  /** False when there is something in the inbox, or the run is somebody else's. */
  park(run: Parking): Promise<boolean>;
  readInbox(run: LiveRun): Promise<Inbox | "lost">;
  /** Answers with the ids of those that are still held. */
  renew(runs: readonly Held[]): Promise<Set<string>>;
  showStatus(run: Held, status: RunStatus): Promise<void>;
  showVersion(run: Held, version: number): Promise<void>;
  release(runs: readonly Held[], waitMs: number): Promise<void>;
  /** The run could not be read. Counts the failure, unless it says nothing about the run itself. */
  giveUp(run: ClaimedRun, error: unknown): Promise<void>;
  discardInbox(runId: string, ids: readonly string[]): Promise<void>;
  readonly snapshots: Snapshots;
};

export function createWorkerStore(deps: WorkerDeps): WorkerStore {
  const { database, instanceId: owner, settings } = deps;
  return {
    park: gather(async (runs) => {
      const parked = await parkRuns(database, runs, owner);
      return runs.map(({ id }) => parked.has(id));
    }, BATCH_RUNS),
    readInbox: gather(async (runs) => {
      const inboxes = new Map((await readInboxes(database, runs, owner)).map((inbox) => [inbox.runId, inbox]));
      return runs.map(({ id }) => inboxes.get(id) ?? "lost");
    }, BATCH_RUNS),
    renew: (runs) => renewLeases(database, runs, { owner, leaseMs: settings.leaseMs }),
    showStatus: (run, status) => showStatus(database, run, status),
    showVersion: (run, version) => showVersion(database, run, version),
    release: (runs, waitMs) => releaseRuns(database, runs, { owner, waitMs }),
    giveUp: giveUp(deps),
    discardInbox: (runId, ids) => discardInbox(database, runId, ids),
    snapshots: createSnapshots(deps),
  };
}

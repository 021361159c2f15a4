import type { JournalEvent } from "#contract/journal.ts";
import { SNAPSHOT_VERSION, evolve, fromSnapshot, initialState, type Plan, type RunState } from "#engine/index.ts";
import type { Log } from "../../kernel/log.ts";
import type { Database, ValueCodec } from "../../kernel/ports.ts";
import { createLiveRun, type HeldRun, type LiveRun } from "../driver/live-run.ts";
import type { PlanSource } from "../ports.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import { readEvents } from "../store/journal.pg.ts";
import { readSnapshot } from "../store/snapshots.pg.ts";
import { openSnapshot } from "./snapshot-row.ts";
import { snapshotDueAfter } from "./snapshots.ts";

const PAGE_EVENTS = 1_000;

type Deps = { database: Database; codec: ValueCodec; plans: PlanSource; log: Log };

/** A claimed run as its journal says it is: its newest snapshot, and what came after. The claim's own event is the last one. */
export async function loadRun(deps: Deps, claimed: ClaimedRun, lane: number): Promise<LiveRun> {
  const { id, tenantId, workflowId, version } = claimed;
  const [plan] = await Promise.all([deps.plans.loadPlan({ tenantId, workflowId, version }), deps.codec.prepare(tenantId)]);
  const snapshot = await restore(deps, claimed, plan);
  if (snapshot && (await foldRest(deps, snapshot.state))) {
    const run = createLiveRun(claimed, snapshot.state, lane);
    run.snapshot = { seq: snapshot.seq, dueAt: snapshotDueAfter(snapshot.seq, snapshot.bytes), isBeingStored: false };
    return run;
  }
  const state = beginning(plan, id);
  await foldRest(deps, state);
  return createLiveRun(claimed, state, lane);
}

/** Scopes that are over are not kept in memory. */
const beginning = (plan: Plan, runId: string): RunState => initialState(plan, { runId, forgets: true });

type Restored = { state: RunState; seq: number; bytes: number };

/** Undefined when there is none that this build can use: the journal is then read from its beginning. */
async function restore({ database, codec, log }: Deps, claimed: ClaimedRun, plan: Plan): Promise<Restored | undefined> {
  const { id, epoch } = claimed;
  // Nobody can have stored one.
  if (epoch === 1) return undefined;
  const stored = await database.asWorker((tx) => readSnapshot(tx, id));
  if (stored?.v !== SNAPSHOT_VERSION) return undefined;
  try {
    const state = fromSnapshot(plan, openSnapshot(codec, claimed, stored), { runId: id, forgets: true });
    return state && { state, seq: stored.seq, bytes: stored.state.length };
  } catch (error) {
    log.warn("a snapshot cannot be used; the run's journal is read from its beginning", { runId: id, seq: stored.seq, error });
    return undefined;
  }
}

/** Folds what the journal has after the state. False when that is nothing: of a claimed run it has at least the claim. */
async function foldRest({ database, codec }: Deps, state: RunState): Promise<boolean> {
  const from = state.seq;
  for (let isMore = true; isMore;) {
    const position = { runId: state.runId, after: state.seq, limit: PAGE_EVENTS };
    const events = await database.asWorker((tx) => readEvents(tx, codec, position));
    for (const event of events) evolve(state, event);
    isMore = events.length === PAGE_EVENTS;
  }
  return state.seq > from;
}

export type FreshRun = { held: HeldRun; plan: Plan; events: readonly JournalEvent[] };

/** A run that this process has just started and claimed in one statement: its journal is known. */
export function freshRun({ held, plan, events }: FreshRun, lane: number): LiveRun {
  const state = beginning(plan, held.id);
  for (const event of events) evolve(state, event);
  return createLiveRun(held, state, lane);
}

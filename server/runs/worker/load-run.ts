import type { JournalEvent } from "#contract/journal.ts";
import { evolve, initialState, type Plan } from "#engine/index.ts";
import type { Log } from "../../kernel/log.ts";
import type { Database, ValueCodec } from "../../kernel/ports.ts";
import { createLiveRun, type HeldRun, type InboxRow, type LiveRun } from "../driver/live-run.ts";
import { inboxRowName } from "../driver/row-names.ts";
import { foldJournal, foldRest, planOf } from "../fold-journal.ts";
import { Messages } from "../messages.ts";
import type { PlanSource } from "../ports.ts";
import { restoreState } from "../read-state.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import { snapshotDueAfter } from "./snapshots.ts";

type Deps = { database: Database; codec: ValueCodec; plans: PlanSource; log: Log };

/** A claimed run as its journal says it is: its newest snapshot, and what came after. The claim's own event is the last one. */
export async function loadRun(deps: Deps, claimed: ClaimedRun, lane: number): Promise<LiveRun> {
  const { codec, plans, log } = deps;
  const source = { codec, plans, log, read: deps.database.asWorker.bind(deps.database) };
  await codec.prepare(claimed.tenantId);
  // Before it was taken over for the first time, nobody can have stored one.
  const snapshot = claimed.epoch === 1 ? undefined : await restoreState(source, claimed);
  if (snapshot) await foldRest(source, claimed, snapshot.state);
  // Of a claimed run, there is at least the claim after it.
  if (snapshot && snapshot.state.seq > snapshot.seq) {
    const run = createLiveRun(claimed, snapshot.state, lane);
    run.snapshot = { seq: snapshot.seq, dueAt: snapshotDueAfter(snapshot.seq, snapshot.bytes), isBeingStored: false };
    return run;
  }
  return createLiveRun(claimed, await foldJournal(source, claimed), lane);
}

export type FreshRun = { held: HeldRun; plan: Plan; events: readonly JournalEvent[] };

/** A run that this process has just started and claimed in one statement: its journal is known. */
export function freshRun({ held, plan, events }: FreshRun, lane: number): LiveRun {
  const state = initialState(plan, { runId: held.id, forgets: true });
  for (const event of events) evolve(state, event);
  return createLiveRun(held, state, lane);
}

/** Loads the versions that messages want the run to be moved to: taking a message in must not wait. */
export async function loadMoves(deps: Deps, run: LiveRun, rows: readonly InboxRow[]): Promise<void> {
  for (const { id, kind, body } of rows) {
    if (kind !== "move" || run.inbox.known.has(id)) continue;
    const { to } = Messages.move.parse(deps.codec.decode(body, { tenantId: run.tenantId, row: inboxRowName(id) }));
    run.state.plans.set(to, await planOf(deps, run, to));
  }
}

import type { JournalEvent } from "#contract/journal.ts";
import { evolve, type Plan } from "#engine/index.ts";
import type { Database, ValueCodec } from "../../kernel/ports.ts";
import { createLiveRun, type HeldRun, type LiveRun } from "../driver/live-run.ts";
import type { PlanSource } from "../ports.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import { readEvents } from "../store/journal.pg.ts";

const PAGE_EVENTS = 1_000;

type Deps = { database: Database; codec: ValueCodec; plans: PlanSource };

/** A claimed run as its journal says it is. The claim's own event is the last one read. */
export async function loadRun({ database, codec, plans }: Deps, claimed: ClaimedRun, lane: number): Promise<LiveRun> {
  const { id, tenantId, workflowId, version } = claimed;
  const [plan] = await Promise.all([plans.loadPlan({ tenantId, workflowId, version }), codec.prepare(tenantId)]);
  const run = createLiveRun(claimed, plan, lane);
  for (let isMore = true; isMore;) {
    const position = { runId: id, after: run.state.seq, limit: PAGE_EVENTS };
    const events = await database.asWorker((tx) => readEvents(tx, codec, position));
    for (const event of events) evolve(run.state, event);
    isMore = events.length === PAGE_EVENTS;
  }
  run.nextSeq = run.state.seq + 1;
  return run;
}

export type FreshRun = { held: HeldRun; plan: Plan; events: readonly JournalEvent[] };

/** A run that this process has just started and claimed in one statement: its journal is known. */
export function freshRun({ held, plan, events }: FreshRun, lane: number): LiveRun {
  const run = createLiveRun(held, plan, lane);
  for (const event of events) evolve(run.state, event);
  run.nextSeq = run.state.seq + 1;
  return run;
}

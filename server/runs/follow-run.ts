import type { JournalEvent } from "#contract/journal.ts";
import { isFinal } from "#contract/runs.ts";
import type { SseEvent } from "../kernel/handle.ts";
import type { LiveBus } from "../kernel/ports.ts";
import { createBell } from "../kernel/bell.ts";
import type { UseCaseDeps } from "./deps.ts";
import { runNotFound } from "./read-run.ts";
import { LAST_SEQ } from "./show-runs.ts";
import { readEvents } from "./store/journal.pg.ts";
import { findStatus } from "./store/runs.pg.ts";

type Deps = Pick<UseCaseDeps, "database" | "codec"> & { live: LiveBus };
export type Following = { tenantId: string; runId: string; after: number; signal: AbortSignal };

const PAGE_EVENTS = 500;
/** Hints are best effort: without one, the journal is looked at anyway. */
const LOOK_EVERY_MS = 1_000;

/** The run's events from the journal, old ones first and then as they come; ends after the last one. Throws `not_found` at once. */
export const followRun =
  (deps: Deps) =>
  async (following: Following): Promise<AsyncIterable<SseEvent>> => {
    const { tenantId, runId } = following;
    await deps.codec.prepare(tenantId);
    const status = await deps.database.asTenant(tenantId, (tx) => findStatus(tx, runId));
    if (status === undefined) throw runNotFound(runId);
    return eventsOf(deps, following);
  };

async function* eventsOf(deps: Deps, { tenantId, runId, after, signal }: Following): AsyncGenerator<SseEvent> {
  const bell = createBell(signal);
  const unsubscribe = deps.live.subscribe(tenantId, (event) => {
    if (event.type === "resync" || (event.type === "run" && event.runId === runId)) bell.ring();
  });
  try {
    let position = Math.min(after, LAST_SEQ);
    while (!signal.aborted) {
      const { events, isOver } = await readAfter(deps, { tenantId, runId, after: position });
      for (const event of events) {
        yield { id: String(event.seq), data: event };
        position = event.seq;
      }
      if (events.length === PAGE_EVENTS) continue;
      if (isOver) return;
      await bell.rung(LOOK_EVERY_MS);
    }
  } finally {
    unsubscribe();
  }
}

type Position = { tenantId: string; runId: string; after: number };
/** The status is read first: when it says that the run is over, its last event is there to be read. */
async function readAfter(
  { database, codec }: Deps,
  { tenantId, runId, after }: Position,
): Promise<{ events: JournalEvent[]; isOver: boolean }> {
  return database.asTenant(tenantId, async (tx) => {
    const status = await findStatus(tx, runId);
    const events = await readEvents(tx, codec, { runId, after, limit: PAGE_EVENTS });
    return { events, isOver: status === undefined || isFinal(status) };
  });
}

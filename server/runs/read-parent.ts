import type { EventBody, JournalEvent } from "#contract/journal.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "../kernel/errors.ts";
import type { UseCaseDeps } from "./deps.ts";
import { mustFind } from "./send-message.ts";
import { measureJournal } from "./store/fork.pg.ts";
import { readEvents } from "./store/journal.pg.ts";
import type { RunRecord } from "./store/runs.pg.ts";

/** A run that another one goes on from. */
export type Parent = { record: RunRecord; created: EventBody<"run_created">; events: readonly JournalEvent[] };

const PAGE_EVENTS = 1_000;

type Wanted = { tenantId: string; runId: string; /** Else only the first event is read. */ isWhole: boolean };

/** As far as the run has come. Throws `not_found`, and `fork_too_large` for a journal that is not copied. */
export async function readParent(
  { database, codec }: Pick<UseCaseDeps, "database" | "codec">,
  { tenantId, runId, isWhole }: Wanted,
): Promise<Parent> {
  await codec.prepare(tenantId);
  return database.asTenant(tenantId, async (tx) => {
    const record = await mustFind(tx, runId);
    const events: JournalEvent[] = [];
    if (isWhole) checkSize(runId, await measureJournal(tx, runId));
    const last = isWhole ? record.seq : 1;
    while (events.length < last) {
      const page = await readEvents(tx, codec, { runId, after: events.length, limit: Math.min(PAGE_EVENTS, last - events.length) });
      if (page.length === 0) break;
      events.push(...page);
    }
    const [first] = events;
    if (first?.kind !== "run_created") throw new AppError("internal", `The journal of run ${runId} does not begin with its creation.`);
    return { record, created: first.body, events };
  });
}

function checkSize(runId: string, { events, bytes }: { events: number; bytes: number }): void {
  const { forkEvents, forkBytes } = LIMITS;
  if (events <= forkEvents && bytes <= forkBytes) return;
  const message = `Expected a journal of at most ${forkEvents} events and ${forkBytes} bytes; that of run ${runId} has ${events} and ${bytes}.`;
  throw new AppError("fork_too_large", message);
}

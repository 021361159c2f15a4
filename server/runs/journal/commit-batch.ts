import { AppError } from "../../kernel/errors.ts";
import { isTransactionConflict, isUniqueViolation } from "../../kernel/pg-errors.ts";
import type { RunAppends } from "./append.ts";
import { ConnectionLost, type JournalSession } from "./session.ts";

/** What becomes of each run of a batch; exactly one call per group. */
export type Outcome = {
  durable(group: RunAppends, at: number): void;
  lost(group: RunAppends): void;
  failed(group: RunAppends, error: AppError): void;
};

/**
 * Stores a batch with a plain INSERT and deals with what can go wrong:
 * - a key is taken: the first row of each run tells whose it is. The same epoch and append id: ours, the earlier COMMIT
 *   had succeeded although its answer was lost. Anything else: the run belongs to another worker now. The rest is redone.
 *   One row per run is enough to look at, because an epoch begins with a `run_claimed` at the next number: whoever comes
 *   second collides with their first row.
 * - the connection broke: look for our rows in the same way, and send again what is not there.
 * - deadlock: again. Any other error: run by run, so that only the offender fails.
 */
export async function commitBatch(session: JournalSession, groups: readonly RunAppends[], outcome: Outcome): Promise<void> {
  let pending = groups;
  while (pending.length > 0) {
    try {
      const at = await session.append(pending);
      for (const group of pending) outcome.durable(group, at);
      return;
    } catch (error) {
      pending = await afterFailure({ session, pending, outcome }, error);
    }
  }
}

type Attempt = { session: JournalSession; pending: readonly RunAppends[]; outcome: Outcome };

/** What is left to be sent again. */
async function afterFailure(attempt: Attempt, error: unknown): Promise<readonly RunAppends[]> {
  const { session, pending, outcome } = attempt;
  if (isTransactionConflict(error)) return pending;
  if (error instanceof AppError) {
    for (const group of pending) outcome.failed(group, error);
    return [];
  }
  if (error instanceof ConnectionLost || isUniqueViolation(error)) {
    const left = await settleStored(attempt);
    if (left.length < pending.length || error instanceof ConnectionLost) return left;
  }
  const [only] = pending;
  if (pending.length > 1 || !only) {
    for (const group of pending) await commitBatch(session, [group], outcome);
    return [];
  }
  outcome.failed(only, new AppError("internal", "The database refused an event of this run.", { cause: error }));
  return [];
}

/** Settles the runs whose first row is in the journal already; answers with the others. */
async function settleStored({ session, pending, outcome }: Attempt): Promise<RunAppends[]> {
  let found;
  try {
    found = new Map((await session.owners(pending)).map((row) => [row.runId, row]));
  } catch (error) {
    if (error instanceof ConnectionLost) return settleStored({ session, pending, outcome });
    throw error;
  }
  const left: RunAppends[] = [];
  for (const group of pending) {
    const row = found.get(group.holder.id);
    if (!row) left.push(group);
    else if (row.epoch === group.holder.epoch && row.appendId === group.appends[0]?.appendId) outcome.durable(group, row.at);
    else outcome.lost(group);
  }
  return left;
}

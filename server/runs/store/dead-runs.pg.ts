import type { Database, Tx } from "../../kernel/ports.ts";
import type { Held } from "./leases.pg.ts";

export type GivenUp = { owner: string; waitMs: number; maxCrashes: number; reason: string };

/**
 * Lets go of a run that its holder cannot drive; it becomes due after `waitMs`, or is dead when that has happened too often in a row.
 * True when it is dead now.
 */
export async function giveUpRun(database: Database, { id, epoch }: Held, { owner, waitMs, maxCrashes, reason }: GivenUp): Promise<boolean> {
  const [row] = await database.asWorker((tx) =>
    tx.query<{ isDead: boolean }>(
      `update runs set owner = null, lease_until = null, crash_count = crash_count + 1,
         wake_at = case when crash_count + 1 < $5 then now() + $4 * interval '1 ms' end,
         status = case when crash_count + 1 < $5 then status else 'paused' end,
         dead_at = case when crash_count + 1 < $5 then null else now() end,
         dead_reason = case when crash_count + 1 < $5 then null else $6 end
       where id = $1 and epoch = $2 and owner = $3 returning dead_at is not null as "isDead"`,
      [id, epoch, owner, waitMs, maxCrashes, reason],
    ),
  );
  return row?.isDead ?? false;
}

/** A dead run can be claimed again. False when it is not dead. */
export async function reviveRun(tx: Tx, runId: string): Promise<boolean> {
  const rows = await tx.query(
    `update runs set dead_at = null, dead_reason = null, crash_count = 0, wake_at = now(), status = 'running'
     where id = $1 and dead_at is not null and finished_at is null returning id`,
    [runId],
  );
  return rows.length > 0;
}

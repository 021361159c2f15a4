import type { Database, Tx } from "../../kernel/ports.ts";

/** A state as stored: encoded, with the number of its last event. */
export type StoredSnapshot = { seq: number; v: number; hash: Buffer; state: Buffer };

/**
 * Stores a snapshot and removes the earlier ones, while the run is still in this epoch and not over. Whoever has lost the run
 * changes nothing.
 */
export async function storeSnapshot(
  database: Database,
  { id, epoch }: { id: string; epoch: number },
  { seq, v, hash, state }: StoredSnapshot,
): Promise<void> {
  await database.asWorker((tx) =>
    tx.query(
      `with held as (
         select tenant_id from runs where id = $1 and epoch = $2 and finished_at is null
       ), earlier as (
         delete from run_snapshots where run_id = $1 and seq < $3 and exists (select from held)
       )
       insert into run_snapshots (run_id, seq, tenant_id, v, hash, state)
       select $1, $3, tenant_id, $4, $5, $6 from held on conflict do nothing`,
      [id, epoch, seq, v, hash, state],
    ),
  );
}

/** Of a run that is over, or whose snapshot is of no use. */
export async function forgetSnapshots(database: Database, runId: string): Promise<void> {
  await database.asWorker((tx) => tx.query("delete from run_snapshots where run_id = $1", [runId]));
}

/** The newest, if there is one. */
export async function readSnapshot(tx: Tx, runId: string): Promise<StoredSnapshot | undefined> {
  const [row] = await tx.query<StoredSnapshot>(
    "select seq, v, hash, state from run_snapshots where run_id = $1 order by seq desc limit 1",
    [runId],
  );
  return row;
}

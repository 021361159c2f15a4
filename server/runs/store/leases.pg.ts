import type { RunStatus } from "#contract/runs.ts";
import type { Database } from "../../kernel/ports.ts";
import type { InboxRow } from "../driver/live-run.ts";

export type Held = { id: string; epoch: number };

/** Prolongs all leases in one statement. Answers with the runs that are still this owner's; the others belong to somebody else. */
export async function renewLeases(
  database: Database,
  runs: readonly Held[],
  { owner, leaseMs }: { owner: string; leaseMs: number },
): Promise<Set<string>> {
  const rows = await database.asWorker((tx) =>
    tx.query<{ id: string }>(
      `update runs set lease_until = now() + $4 * interval '1 ms' from unnest($1::uuid[], $2::int4[]) as h (id, epoch)
       where runs.id = h.id and runs.epoch = h.epoch and runs.owner = $3 returning runs.id`,
      [runs.map(({ id }) => id), runs.map(({ epoch }) => epoch), owner, leaseMs],
    ),
  );
  return new Set(rows.map(({ id }) => id));
}

/** Lets go of runs; they become due after `waitMs`. */
export async function releaseRuns(
  database: Database,
  runs: readonly Held[],
  { owner, waitMs }: { owner: string; waitMs: number },
): Promise<void> {
  await database.asWorker((tx) =>
    tx.query(
      `update runs set owner = null, lease_until = null, wake_at = now() + $4 * interval '1 ms' from unnest($1::uuid[], $2::int4[]) as h (id, epoch)
       where runs.id = h.id and runs.epoch = h.epoch and runs.owner = $3`,
      [runs.map(({ id }) => id), runs.map(({ epoch }) => epoch), owner, waitMs],
    ),
  );
}

/** For an instance that knows its earlier incarnation to be dead: its runs can be claimed at once. */
export async function voidLeases(database: Database, owner: string): Promise<void> {
  await database.asWorker((tx) => tx.query("update runs set lease_until = '-infinity' where owner = $1", [owner]));
}

export type Parking = Held & { inboxSeq: number; waitMs: number | null; status: RunStatus };

/**
 * Parks runs whose inbox is as it was last seen; answers with their ids. A run that is missing in the answer either has
 * something in its inbox or belongs to somebody else.
 */
export async function parkRuns(database: Database, runs: readonly Parking[], owner: string): Promise<Set<string>> {
  const rows = await database.asWorker((tx) =>
    tx.query<{ id: string }>(
      `update runs set owner = null, lease_until = null, wake_at = now() + p.wait_ms * interval '1 ms',
         status = case when runs.status = 'cancelling' and p.status <> 'compensating' then 'cancelling' else p.status end
       from unnest($1::uuid[], $2::int4[], $3::int4[], $4::float8[], $6::text[]) as p (id, epoch, inbox_seq, wait_ms, status)
       where runs.id = p.id and runs.epoch = p.epoch and runs.inbox_seq = p.inbox_seq and runs.owner = $5 returning runs.id`,
      [
        runs.map(({ id }) => id),
        runs.map(({ epoch }) => epoch),
        runs.map(({ inboxSeq }) => inboxSeq),
        runs.map(({ waitMs }) => waitMs),
        owner,
        runs.map(({ status }) => (status === "running" ? "waiting" : status)),
      ],
    ),
  );
  return new Set(rows.map(({ id }) => id));
}

/** Lets the row of a held run show what it is doing, unless it is over or somebody has asked for something else meanwhile. */
export async function showStatus(database: Database, { id, epoch }: Held, status: RunStatus): Promise<void> {
  await database.asWorker((tx) =>
    tx.query(
      `update runs set status = $3 where id = $1 and epoch = $2 and owner is not null
         and (status in ('running', 'waiting', 'paused') or (status = 'cancelling' and $3 = 'compensating'))`,
      [id, epoch, status],
    ),
  );
}

/** Lets the row of a run show the version that its journal has moved it to. */
export async function showVersion(database: Database, { id, epoch }: Held, version: number): Promise<void> {
  await database.asWorker((tx) => tx.query("update runs set version = $3 where id = $1 and epoch = $2", [id, epoch, version]));
}

/** Held runs that somebody has spoken to since their inbox was last read. */
export async function findWoken(database: Database, owner: string): Promise<string[]> {
  const rows = await database.asWorker((tx) =>
    tx.query<{ id: string }>("select id from runs where owner = $1 and wake_at <= now()", [owner]),
  );
  return rows.map(({ id }) => id);
}

export type Inbox = { runId: string; inboxSeq: number; rows: InboxRow[] };

/**
 * The inboxes of held runs. The counter is read before the rows, in a statement of its own: a row that comes in between is
 * seen although the counter does not count it yet, which only costs another look. The other way round it would be lost.
 */
export async function readInboxes(database: Database, runs: readonly Held[], owner: string): Promise<Inbox[]> {
  return database.asWorker(async (tx) => {
    const seen = await tx.query<{ id: string; inbox_seq: number }>(
      `update runs set wake_at = null from unnest($1::uuid[], $2::int4[]) as h (id, epoch)
       where runs.id = h.id and runs.epoch = h.epoch and runs.owner = $3 returning runs.id, runs.inbox_seq`,
      [runs.map(({ id }) => id), runs.map(({ epoch }) => epoch), owner],
    );
    const rows = await tx.query<InboxRow & { run_id: string }>(
      "select run_id, id, kind, body from run_inbox where run_id = any($1::uuid[]) order by run_id, id",
      [seen.map(({ id }) => id)],
    );
    const byRun = Map.groupBy(rows, (row) => row.run_id);
    return seen.map(({ id, inbox_seq }) => ({ runId: id, inboxSeq: inbox_seq, rows: byRun.get(id) ?? [] }));
  });
}

export async function discardInbox(database: Database, runId: string, ids: readonly string[]): Promise<void> {
  await database.asWorker((tx) => tx.query("delete from run_inbox where run_id = $1 and id = any($2::uuid[])", [runId, ids]));
}

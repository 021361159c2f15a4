import { isUniqueViolation } from "../../kernel/pg-errors.ts";
import type { Database } from "../../kernel/ports.ts";
import { fromClaimedRow, type ClaimedRow, type ClaimedRun } from "./held-run.ts";

/** The stored `run_claimed` is the same for every run: who took it. */
type Claimant = { owner: string; leaseMs: number; claimedBody: Buffer };

/**
 * Who is next: runs that nobody holds and whose time has come, and runs whose holder let the lease expire. Tenants take
 * turns, and one that has fewer runs in work comes first. `$3` is how many.
 */
const NEXT = `with recursive tenant as (
    (select tenant_id from runs where owner is null and wake_at is not null order by tenant_id limit 1)
    union all
    select (select r.tenant_id from runs r where r.owner is null and r.wake_at is not null and r.tenant_id > t.tenant_id order by r.tenant_id limit 1)
    from tenant t where t.tenant_id is not null
  ), candidate as (
    select due.* from tenant t cross join lateral (
      select id, tenant_id, wake_at as due_at from runs
      where tenant_id = t.tenant_id and owner is null and wake_at <= now() order by wake_at limit $3
    ) due
    union all
    (select id, tenant_id, lease_until from runs where owner is not null and lease_until < now() order by lease_until limit $3)
  ), held as (
    select tenant_id, count(*) as count from runs where owner is not null and lease_until >= now()
      and exists (select from candidate) group by tenant_id
  ), ranked as (
    select c.id, row_number() over (partition by c.tenant_id order by c.due_at) + coalesce(h.count, 0) as turn, c.due_at
    from candidate c left join held h using (tenant_id)
  ), picked as (
    select id from runs where id in (select id from ranked order by turn, due_at limit $3)
      and ((owner is null and wake_at <= now()) or lease_until < now()) for update skip locked
  )`;

/** Exactly these (`$3`), where nobody holds them. */
const NAMED = `with picked as (
    select id from runs where id = any($3::uuid[]) and ((owner is null and wake_at <= now()) or lease_until < now())
    for update skip locked
  )`;

/**
 * Takeover is an event: epoch, owner, lease and `run_claimed` in one statement. A previous holder that still writes
 * collides with that row, or makes this statement collide with its own.
 */
const TAKE = `, claimed as (
    update runs set epoch = runs.epoch + 1, owner = $1, lease_until = now() + $2 * interval '1 ms', wake_at = null,
      status = case when runs.status in ('cancelling', 'compensating', 'paused') then runs.status else 'running' end, started_at = coalesce(runs.started_at, now())
    from picked where runs.id = picked.id
    returning runs.id, runs.tenant_id, runs.workflow_id, runs.version, runs.environment, runs.confidential, runs.epoch, runs.inbox_seq
  ), events as (
    insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
    select c.id, (select coalesce(max(j.seq), 0) + 1 from run_journal j where j.run_id = c.id), c.tenant_id, 1, 'run_claimed', '', null, 0,
      c.epoch, 0, $4, date_trunc('milliseconds', now())
    from claimed c
  )
  select * from claimed`;

/** Up to `limit` runs, fairly. A run whose old holder is writing at this very moment is left for the next call. */
export async function claimNext(database: Database, claimant: Claimant, limit: number): Promise<ClaimedRun[]> {
  try {
    return await claim(database, claimant, { text: NEXT + TAKE, argument: limit });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    // One of them collided: take them one by one, so that it holds up nobody else.
    return limit === 1 ? [] : claimOneByOne(database, claimant, limit);
  }
}

async function claimOneByOne(database: Database, claimant: Claimant, limit: number): Promise<ClaimedRun[]> {
  const claimed: ClaimedRun[] = [];
  for (let i = 0; i < limit; i += 1) {
    const [run] = await claimNext(database, claimant, 1);
    if (!run) break;
    claimed.push(run);
  }
  return claimed;
}

export async function claimNamed(database: Database, claimant: Claimant, ids: readonly string[]): Promise<ClaimedRun[]> {
  try {
    return await claim(database, claimant, { text: NAMED + TAKE, argument: ids });
  } catch (error) {
    if (isUniqueViolation(error)) return [];
    throw error;
  }
}

type Choice = { text: string; argument: number | readonly string[] };
async function claim(database: Database, { owner, leaseMs, claimedBody }: Claimant, { text, argument }: Choice): Promise<ClaimedRun[]> {
  const rows = await database.asWorker((tx) => tx.query<ClaimedRow>(text, [owner, leaseMs, argument, claimedBody]));
  return rows.map(fromClaimedRow);
}

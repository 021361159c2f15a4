import { isUniqueViolation } from "../../kernel/pg-errors.ts";
import type { Database } from "../../kernel/ports.ts";
import { fromClaimedRow, type ClaimedRow, type ClaimedRun } from "./held-run.ts";

/** The stored `run_claimed` is the same for every run: who took it. */
export type Claimant = {
  owner: string;
  leaseMs: number;
  claimedBody: Buffer;
  /** So many deaths of its holders in a row, without any progress, make a run dead. At least 3. */
  maxCrashes: number;
  /** The run was not claimed but declared dead. */
  onDead: (run: DeadRun) => void;
};
export type DeadRun = { id: string; tenantId: string; workflowId: string; seq: number; reason: string };

const CLAIMED = "runs.id, tenant_id, workflow_id, version, environment, confidential, epoch, inbox_seq";

/** From so many deaths on, a run is suspected of causing them. */
const SUSPECT = 2;
const lastKindOf = (id: string): string => `(select j.kind from run_journal j where j.run_id = ${id} order by j.seq desc limit 1)`;
/** How many suspects a process may hold together when one of them has seen `crashes` deaths: 1 before the last, 10 before that, and so on. */
const together = (crashes: string): string => `power(10, $5::int4 - 1 - ${crashes})`;

/**
 * A run that kills its process takes its neighbours with it, and they count a death each time as it does. So suspects are
 * divided: fewer and fewer are held together, the last time each alone. Then only the one that is to blame can die once more.
 * This is what this process has of them: those that have made no progress since they were claimed.
 */
const WARD = `ward as (
    select count(*) as count, coalesce(max(crash_count), 0) as top, count(*) < ${together("coalesce(max(crash_count), 0)")} as is_open
    from runs r where r.owner = $1 and r.lease_until >= now() and r.crash_count >= ${SUSPECT} and ${lastKindOf("r.id")} = 'run_claimed'
  )`;

/**
 * Who is next: runs that nobody holds and whose time has come, and runs whose holder let the lease expire. Tenants take
 * turns, and one that has fewer runs in work comes first. `$3` is how many.
 */
const NEXT = `with recursive tenant as (
    (select tenant_id from runs where owner is null and wake_at is not null order by tenant_id limit 1)
    union all
    select (select r.tenant_id from runs r where r.owner is null and r.wake_at is not null and r.tenant_id > t.tenant_id order by r.tenant_id limit 1)
    from tenant t where t.tenant_id is not null
  ), ${WARD}, candidate as (
    select due.* from tenant t cross join lateral (
      select id, tenant_id, wake_at as due_at from runs
      where tenant_id = t.tenant_id and owner is null and wake_at <= now() and dead_at is null
        and case when crash_count < ${SUSPECT} then true else (select is_open from ward) end order by wake_at limit $3
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
    select id, owner, crash_count from runs where id in (select id from ranked order by turn, due_at limit $3)
      and ((owner is null and wake_at <= now()) or lease_until < now()) and dead_at is null for update skip locked
  )`;

/** Exactly these (`$3`), where nobody holds them. */
const NAMED = `with ${WARD}, picked as (
    select id, owner, crash_count from runs where id = any($3::uuid[]) and ((owner is null and wake_at <= now()) or lease_until < now())
      and dead_at is null for update skip locked
  )`;

/**
 * A claim of an expired lease is a death of its holder; what the journal says since the last claim is progress, and begins the
 * count anew. A suspect for which there is no place is looked at again soon.
 */
const JUDGE = `, judged as (
    select p.id, case
      when p.owner is null and p.crash_count = 0 then 0
      when ${lastKindOf("p.id")} = 'run_claimed' then p.crash_count + (p.owner is not null)::int4
      else (p.owner is not null)::int4 end as crashes
    from picked p
  ), suspect as (
    select id, crashes, row_number() over (order by crashes desc, id) as place, max(crashes) over () as top
    from judged where crashes >= ${SUSPECT} and crashes < $5::int4
  ), admitted as (
    select id, crashes from judged where crashes < ${SUSPECT}
    union all
    select s.id, s.crashes from suspect s, ward where ward.count + s.place <= ${together("greatest(s.top, ward.top)")}
  ), deferred as (
    update runs set owner = null, lease_until = null, wake_at = now() + interval '1 s', crash_count = s.crashes
    from suspect s where runs.id = s.id and s.id not in (select id from admitted)
  ), dead as (
    update runs set owner = null, lease_until = null, wake_at = null, crash_count = judged.crashes, status = 'paused', dead_at = now(),
      dead_reason = format('Its worker died %s times in a row without any progress of the run; the last one was %s.%s', judged.crashes, runs.owner,
        (select format(' The last step that was written of is %s.', j.scope || '/' || j.node_id) from run_journal j
         where j.run_id = runs.id and j.node_id is not null order by j.seq desc limit 1))
    from judged where runs.id = judged.id and judged.crashes >= $5::int4
    returning ${CLAIMED}, dead_reason
  )`;

/**
 * Takeover is an event: epoch, owner, lease and `run_claimed` in one statement. A previous holder that still writes
 * collides with that row, or makes this statement collide with its own.
 */
const TAKE = `, claimed as (
    update runs set epoch = runs.epoch + 1, owner = $1, lease_until = now() + $2 * interval '1 ms', wake_at = null, crash_count = admitted.crashes,
      status = case when runs.status in ('cancelling', 'compensating', 'paused') then runs.status else 'running' end, started_at = coalesce(runs.started_at, now())
    from admitted where runs.id = admitted.id
    returning ${CLAIMED}
  ), events as (
    insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
    select c.id, (select coalesce(max(j.seq), 0) + 1 from run_journal j where j.run_id = c.id), c.tenant_id, 1, 'run_claimed', '', null, 0,
      c.epoch, 0, $4, date_trunc('milliseconds', now())
    from claimed c
  )
  select claimed.*, null as dead_reason, null::int4 as seq from claimed
  union all
  select dead.*, (select max(j.seq) from run_journal j where j.run_id = dead.id) from dead`;

/** Up to `limit` runs, fairly. A run whose old holder is writing at this very moment is left for the next call. */
export async function claimNext(database: Database, claimant: Claimant, limit: number): Promise<ClaimedRun[]> {
  try {
    return await claim(database, claimant, { text: NEXT + JUDGE + TAKE, argument: limit });
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
    return await claim(database, claimant, { text: NAMED + JUDGE + TAKE, argument: ids });
  } catch (error) {
    if (isUniqueViolation(error)) return [];
    throw error;
  }
}

type Choice = { text: string; argument: number | readonly string[] };
async function claim(database: Database, claimant: Claimant, { text, argument }: Choice): Promise<ClaimedRun[]> {
  const { owner, leaseMs, claimedBody, maxCrashes, onDead } = claimant;
  const rows = await database.asWorker((tx) => tx.query<Row>(text, [owner, leaseMs, argument, claimedBody, maxCrashes]));
  return rows.flatMap((row) => {
    if (row.dead_reason === null) return [fromClaimedRow(row)];
    onDead({ id: row.id, tenantId: row.tenant_id, workflowId: row.workflow_id, seq: row.seq ?? 0, reason: row.dead_reason });
    return [];
  });
}

type Row = ClaimedRow & { dead_reason: string | null; seq: number | null };

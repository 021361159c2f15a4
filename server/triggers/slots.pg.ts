import { LIMITS } from "#contract/limits.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { SlotPlan } from "./plan-slots.ts";
import type { ScheduleRecord } from "./schedules.pg.ts";

type Timing = Pick<ScheduleRecord, "id" | "cron" | "timeZone" | "catchUp" | "catchUpMinutes" | "catchUpSlots">;
export type PassedSchedule = Timing & { nextAt: Date; now: Date };

/** Schedules with slots to plan, locked until the transaction ends; those that another process plans are left to it. */
export async function lockPassed(tx: Tx, limit: number): Promise<PassedSchedule[]> {
  return tx.query<PassedSchedule>(
    `select id, cron, time_zone as "timeZone", catch_up as "catchUp", catch_up_minutes as "catchUpMinutes", catch_up_slots as "catchUpSlots",
       next_at as "nextAt", now() as now
     from schedules where next_at <= now() order by next_at limit $1 for update skip locked`,
    [limit],
  );
}

type NewSlot = {
  id: string;
  slot: Date;
  until: Date | null;
  slots: number;
  outcome: "due" | "missed" | "failed";
  isLate: boolean;
  reason: string | null;
};
export type Planned = { id: string; plan: SlotPlan } | { id: string; slot: Date; failure: string };

/** The slots of a plan and where each schedule goes on, so that neither is without the other. */
export async function storePlans(tx: Tx, planned: readonly Planned[]): Promise<void> {
  const rows = planned.flatMap(newSlots);
  const column = <T>(pick: (row: NewSlot) => T): T[] => rows.map(pick);
  // A queue that is full takes no more: what waits already counts, and what comes before in this statement.
  await tx.query(
    `insert into schedule_slots (schedule_id, slot, tenant_id, outcome, until, slots, is_late, reason, version, input, settled_at)
     select id, slot, tenant_id, case when is_full then 'skipped' else outcome end, until, slots, is_late,
       case when is_full then $8 else reason end, version, case when outcome = 'due' and not is_full then input end,
       case when outcome = 'due' and not is_full then null else now() end
     from (
       select g.*, s.tenant_id, s.version, s.input, g.outcome = 'due' and s.overlap = 'queue' and $9 <
         (select count(*) from schedule_slots d where d.schedule_id = s.id and d.outcome = 'due')
         + count(*) filter (where g.outcome = 'due') over (partition by g.id order by g.slot) as is_full
       from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::int4[], $5::text[], $6::boolean[], $7::text[])
         as g (id, slot, until, slots, outcome, is_late, reason) join schedules s on s.id = g.id
     ) as new on conflict do nothing`,
    [
      column(({ id }) => id),
      column(({ slot }) => slot),
      column(({ until }) => until),
      column(({ slots }) => slots),
      column(({ outcome }) => outcome),
      column(({ isLate }) => isLate),
      column(({ reason }) => reason),
      `${LIMITS.queuedSlots} slots were waiting already.`,
      LIMITS.queuedSlots,
    ],
  );
  await tx.query(
    "update schedules s set next_at = g.next_at from unnest($1::uuid[], $2::timestamptz[]) as g (id, next_at) where s.id = g.id",
    [planned.map(({ id }) => id), planned.map((each) => ("plan" in each ? each.plan.nextAt : null))],
  );
}

function newSlots(planned: Planned): NewSlot[] {
  const base = { id: planned.id, until: null, slots: 1, isLate: false, reason: null };
  if ("failure" in planned) return [{ ...base, slot: planned.slot, outcome: "failed", reason: planned.failure }];
  const { fire, missed } = planned.plan;
  const due = fire.map((each) => ({ ...base, ...each, outcome: "due" as const }));
  if (!missed) return due;
  const until = missed.slots === 1 ? null : missed.until;
  return [{ ...base, ...missed, until, outcome: "missed", isLate: true, reason: "Nothing could fire it in time." }, ...due];
}

export type ClaimedSchedule = { id: string; tenantId: string; overlap: ScheduleRecord["overlap"]; isLate: boolean; lease: string };

/**
 * Takes schedules that have slots to fire, those on time first. A schedule is with one process at a time, so that its overlap
 * policy sees every run; a process that dies gives it back when its lease ends.
 */
export async function claimDue(tx: Tx, { limit, leaseMs }: { limit: number; leaseMs: number }): Promise<ClaimedSchedule[]> {
  return tx.query<ClaimedSchedule>(
    `with wanted as (
       select schedule_id, bool_and(is_late) as is_late from schedule_slots where outcome = 'due' and try_at <= now()
       group by schedule_id order by bool_and(is_late), min(slot) limit $1
     ), free as (
       select id from schedules where id in (select schedule_id from wanted) and (firing_until is null or firing_until < now())
       for update skip locked
     )
     update schedules s set firing_until = now() + $2 * interval '1 ms' from wanted w
     where s.id = w.schedule_id and s.id in (select id from free)
     returning s.id, s.tenant_id as "tenantId", s.overlap, w.is_late as "isLate", s.firing_until::text as lease`,
    [limit, leaseMs],
  );
}

/** Only what is still held: a lease that ran out may be another process's by now. */
export async function releaseSchedules(tx: Tx, claimed: readonly ClaimedSchedule[]): Promise<void> {
  await tx.query(
    `update schedules s set firing_until = null from unnest($1::uuid[], $2::text[]) as c (id, lease)
     where s.id = c.id and s.firing_until = c.lease::timestamptz`,
    [claimed.map(({ id }) => id), claimed.map(({ lease }) => lease)],
  );
}

export type DueSlot = {
  scheduleId: string;
  tenantId: string;
  slot: Date;
  workflowId: string;
  version: number | null;
  input: Buffer;
  isManual: boolean;
  attempts: number;
};

/** The oldest slot of the schedule, and whether it may be fired now; with `allow`, the oldest that may. */
export async function firstDue(tx: Tx, { id, overlap }: ClaimedSchedule): Promise<(DueSlot & { isReady: boolean }) | undefined> {
  const [row] = await tx.query<DueSlot & { isReady: boolean }>(
    `select d.schedule_id as "scheduleId", d.tenant_id as "tenantId", d.slot, s.workflow_id as "workflowId", d.version, d.input,
       d.is_manual as "isManual", d.attempts, d.try_at <= now() as "isReady"
     from schedule_slots d join schedules s on s.id = d.schedule_id
     where d.schedule_id = $1 and d.outcome = 'due' and ($2 <> 'allow' or d.try_at <= now()) order by d.slot limit 1`,
    [id, overlap],
  );
  return row;
}

/** The schedule's runs that are not over. */
export async function liveRuns(tx: Tx, scheduleId: string): Promise<string[]> {
  await tx.query(
    `update schedule_slots s set is_live = false where s.schedule_id = $1 and s.is_live
     and not exists (select from runs r where r.id = s.run_id and r.finished_at is null)`,
    [scheduleId],
  );
  const rows = await tx.query<{ runId: string }>(`select run_id as "runId" from schedule_slots where schedule_id = $1 and is_live`, [
    scheduleId,
  ]);
  return rows.map(({ runId }) => runId);
}

type SlotRef = Pick<DueSlot, "scheduleId" | "slot">;

/** From here on a run may exist for this slot. False when it was settled meanwhile: then none may be started. */
export async function beginFiring(tx: Tx, { scheduleId, slot }: SlotRef, againMs: number): Promise<boolean> {
  const rows = await tx.query(
    `update schedule_slots set attempts = attempts + 1, try_at = now() + $3 * interval '1 ms'
     where schedule_id = $1 and slot = $2 and outcome = 'due' returning slot`,
    [scheduleId, slot, againMs],
  );
  return rows.length > 0;
}

/** After an attempt that came to nothing. */
export async function tryAgain(tx: Tx, { scheduleId, slot }: SlotRef, ms: number): Promise<void> {
  await tx.query(
    "update schedule_slots set try_at = now() + $3 * interval '1 ms' where schedule_id = $1 and slot = $2 and outcome = 'due'",
    [scheduleId, slot, ms],
  );
}

/** All waiting slots of a schedule look again later. */
export async function postpone(tx: Tx, scheduleId: string, ms: number): Promise<void> {
  await tx.query("update schedule_slots set try_at = now() + $2 * interval '1 ms' where schedule_id = $1 and outcome = 'due'", [
    scheduleId,
    ms,
  ]);
}

type Settled = { outcome: "fired" | "skipped" | "failed"; runId?: string; reason?: string };
export async function settle(tx: Tx, { scheduleId, slot }: SlotRef, { outcome, runId, reason }: Settled): Promise<void> {
  await tx.query(
    `update schedule_slots set outcome = $3, run_id = $4, reason = $5, is_live = $3 = 'fired', input = null, settled_at = now()
     where schedule_id = $1 and slot = $2 and outcome = 'due'`,
    [scheduleId, slot, outcome, runId ?? null, reason ?? null],
  );
}

export async function dropSlot(tx: Tx, { scheduleId, slot }: SlotRef): Promise<void> {
  await tx.query("delete from schedule_slots where schedule_id = $1 and slot = $2 and outcome = 'due'", [scheduleId, slot]);
}

/** What was settled long ago; live rows of runs that have ended since are among it. */
export async function forgetSlots(tx: Tx, days: number): Promise<void> {
  await tx.query("delete from schedule_slots where settled_at < now() - make_interval(days => $1)", [days]);
}

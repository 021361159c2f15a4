import type { z } from "zod";
import type { Json } from "#contract/common.ts";
import type { CatchUp, Overlap, Slot } from "#contract/triggers.ts";
import type { Tx } from "#server/kernel/ports.ts";

/** A schedule as stored; its input is still encoded. */
export type ScheduleRecord = {
  id: string;
  tenantId: string;
  workflowId: string;
  version: number | null;
  cron: string;
  timeZone: string;
  input: Buffer;
  overlap: z.infer<typeof Overlap>;
  catchUp: z.infer<typeof CatchUp>;
  catchUpMinutes: number;
  catchUpSlots: number;
  enabled: boolean;
  nextAt: Date | null;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
};

/** How the input is named to the codec; a slot keeps the bytes of its schedule. */
export const inputRowName = (id: string): string => `schedules/${id}/input`;
export const sealedInput = (input: Json, { id, tenantId }: { id: string; tenantId: string }) =>
  [input, { tenantId, row: inputRowName(id), confidential: true }] as const;

const COLUMNS = `id, tenant_id as "tenantId", workflow_id as "workflowId", version, cron, time_zone as "timeZone", input, overlap,
  catch_up as "catchUp", catch_up_minutes as "catchUpMinutes", catch_up_slots as "catchUpSlots", enabled, next_at as "nextAt",
  created_by as "createdBy", created_at as "createdAt", updated_at as "updatedAt"`;

export async function databaseTime(tx: Tx): Promise<Date> {
  const [row] = await tx.query<{ now: Date }>("select now() as now");
  return row?.now ?? new Date();
}

export async function insertSchedule(
  tx: Tx,
  schedule: Omit<ScheduleRecord, "createdAt" | "updatedAt">,
): Promise<ScheduleRecord | undefined> {
  const [row] = await tx.query<ScheduleRecord>(
    `insert into schedules (id, tenant_id, workflow_id, version, cron, time_zone, input, overlap, catch_up, catch_up_minutes, catch_up_slots,
       enabled, next_at, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning ${COLUMNS}`,
    [...changeable(schedule), schedule.createdBy],
  );
  return row;
}

export async function updateSchedule(tx: Tx, schedule: ScheduleRecord): Promise<ScheduleRecord | undefined> {
  const [row] = await tx.query<ScheduleRecord>(
    `update schedules set version = $4, cron = $5, time_zone = $6, input = $7, overlap = $8, catch_up = $9, catch_up_minutes = $10,
       catch_up_slots = $11, enabled = $12, next_at = $13, updated_at = now()
     where id = $1 and tenant_id = $2 and workflow_id = $3 returning ${COLUMNS}`,
    changeable(schedule),
  );
  return row;
}

const changeable = (schedule: Omit<ScheduleRecord, "createdAt" | "updatedAt">): unknown[] => [
  schedule.id,
  schedule.tenantId,
  schedule.workflowId,
  schedule.version,
  schedule.cron,
  schedule.timeZone,
  schedule.input,
  schedule.overlap,
  schedule.catchUp,
  schedule.catchUpMinutes,
  schedule.catchUpSlots,
  schedule.enabled,
  schedule.nextAt,
];

/** Undefined when the tenant has none of this id. `lock` keeps others from changing it until the transaction ends. */
export async function findSchedule(tx: Tx, id: string, lock: "lock" | "read" = "read"): Promise<ScheduleRecord | undefined> {
  const [row] = await tx.query<ScheduleRecord>(`select ${COLUMNS} from schedules where id = $1 ${lock === "lock" ? "for update" : ""}`, [
    id,
  ]);
  return row;
}

export type OlderThan = { before: string | undefined; workflowId: string | undefined; limit: number };
/** Newest first. */
export async function selectSchedules(tx: Tx, { before, workflowId, limit }: OlderThan): Promise<ScheduleRecord[]> {
  return tx.query<ScheduleRecord>(
    `select ${COLUMNS} from schedules where ($1::uuid is null or id < $1) and ($2::uuid is null or workflow_id = $2) order by id desc limit $3`,
    [before, workflowId, limit],
  );
}

export async function removeSchedule(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query("delete from schedules where id = $1 returning id", [id]);
  return rows.length > 0;
}

/** Slots that nobody has begun to fire will not be. */
export async function skipWaitingSlots(tx: Tx, scheduleId: string, reason: string): Promise<void> {
  await tx.query(
    `update schedule_slots set outcome = 'skipped', reason = $2, input = null, settled_at = now()
     where schedule_id = $1 and outcome = 'due' and attempts = 0`,
    [scheduleId, reason],
  );
}

/** A slot of its own for a firing by hand, beside all slots of the cron, which are whole seconds. */
export async function insertManualSlot(tx: Tx, { id, tenantId, version, input }: ScheduleRecord): Promise<Date | undefined> {
  const [row] = await tx.query<{ slot: Date }>(
    `insert into schedule_slots (schedule_id, slot, tenant_id, outcome, is_manual, version, input, attempts, try_at)
     select $1, greatest(
         date_trunc('milliseconds', now()) + case when extract(milliseconds from now())::int % 1000 = 0 then interval '1 ms' else interval '0' end,
         (select max(slot) + interval '1 ms' from schedule_slots where schedule_id = $1 and is_manual)),
       $2, 'due', true, $3, $4, 1, now() + interval '8 s'
     returning slot`,
    [id, tenantId, version, input],
  );
  return row?.slot;
}

type SlotRow = Omit<Slot, "slot" | "until"> & { slot: Date; until: Date | null };
/** Newest first. */
export async function selectSlots(tx: Tx, page: { scheduleId: string; before: string | undefined; limit: number }): Promise<Slot[]> {
  const rows = await tx.query<SlotRow>(
    `select slot, until, slots, outcome, run_id as "runId", reason, is_manual as manual from schedule_slots
     where schedule_id = $1 and ($2::timestamptz is null or slot < $2) order by slot desc limit $3`,
    [page.scheduleId, page.before, page.limit],
  );
  return rows.map((row) => ({ ...row, slot: row.slot.toISOString(), until: row.until?.toISOString() ?? null }));
}

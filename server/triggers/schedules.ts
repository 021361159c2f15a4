import type { Json, Page, PageQuery } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Run } from "#contract/runs.ts";
import type { CreateSchedule, PatchSchedule, Schedule, Slot } from "#contract/triggers.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { decodeCursor, toPage, UUID } from "#server/kernel/paging.ts";
import type { Tx, ValueCodec } from "#server/kernel/ports.ts";
import { fireSlot, mayPass, type FireDeps } from "./fire-slot.ts";
import type { TriggersDeps } from "./ports.ts";
import * as store from "./schedules.pg.ts";
import type { ScheduleRecord } from "./schedules.pg.ts";
import { dropSlot, settle } from "./slots.pg.ts";
import { requireStartable } from "./target.ts";
import { parseTimetable } from "./timetable.ts";

type Deps = Pick<TriggersDeps, "database" | "audit" | "codec" | "redactor" | "newId" | "workflows"> & FireDeps;
type Author = { tenantId: string; actor: string };
type Named = Author & { id: string };

const SHOWN = 5;
const SLOT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
export const scheduleNotFound = (id: string): AppError => new AppError("not_found", `There is no schedule ${id}.`);

export function previewSchedule({ cron, timeZone }: { cron: string; timeZone: string }, now: Date): { next: string[] } {
  return { next: timesOf(cron, timeZone, now) };
}

export const createSchedule =
  (deps: Deps) =>
  async ({ tenantId, actor }: Author, schedule: CreateSchedule): Promise<Schedule> => {
    const { database, audit, codec, newId, workflows, redactor } = deps;
    const timetable = parseTimetable(schedule.cron, schedule.timeZone);
    requireSmall(schedule.input);
    await requireStartable(workflows, { tenantId, ...schedule });
    await codec.prepare(tenantId);
    const id = newId();
    const input = codec.encode(...store.sealedInput(redactor.json(schedule.input), { id, tenantId }));
    return database.asTenant(tenantId, async (tx) => {
      const now = await store.databaseTime(tx);
      const nextAt = schedule.enabled ? (timetable.after(now, 1)[0] ?? null) : null;
      const row = await store.insertSchedule(tx, {
        ...schedule,
        id,
        tenantId,
        version: schedule.version ?? null,
        input,
        nextAt,
        createdBy: actor,
      });
      const { workflowId, cron, timeZone } = schedule;
      await audit.record(tx, {
        tenantId,
        actor,
        action: "schedule.created",
        target: `schedule:${id}`,
        details: { workflowId, cron, timeZone },
      });
      return shown(deps, tx, must(row, id));
    });
  };

export const patchSchedule =
  (deps: Deps) =>
  async ({ tenantId, actor, id }: Named, patch: PatchSchedule): Promise<Schedule> => {
    const { database, audit, codec, workflows, redactor } = deps;
    if (patch.input !== undefined) requireSmall(patch.input);
    await codec.prepare(tenantId);
    const before = await database.asTenant(tenantId, async (tx) => must(await store.findSchedule(tx, id), id));
    if (typeof patch.version === "number")
      await requireStartable(workflows, { tenantId, workflowId: before.workflowId, version: patch.version });
    return database.asTenant(tenantId, async (tx) => {
      const current = must(await store.findSchedule(tx, id, "lock"), id);
      const { input, ...rest } = patch;
      const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
      const bytes = input === undefined ? current.input : codec.encode(...store.sealedInput(redactor.json(input), { id, tenantId }));
      const changed: ScheduleRecord = { ...current, ...given, input: bytes };
      const nextAt = nextOf(current, changed, await store.databaseTime(tx));
      const row = await store.updateSchedule(tx, { ...changed, nextAt });
      if (!changed.enabled) await store.skipWaitingSlots(tx, id, "The schedule was disabled.");
      await audit.record(tx, {
        tenantId,
        actor,
        action: "schedule.updated",
        target: `schedule:${id}`,
        details: { changed: Object.keys(patch) },
      });
      return shown(deps, tx, must(row, id));
    });
  };

/** A schedule whose times have not changed keeps its next slot, also one that has just passed. */
function nextOf(current: ScheduleRecord, changed: ScheduleRecord, now: Date): Date | null {
  const timetable = parseTimetable(changed.cron, changed.timeZone);
  if (!changed.enabled) return null;
  const isSame = current.enabled && current.cron === changed.cron && current.timeZone === changed.timeZone;
  return isSame ? current.nextAt : (timetable.after(now, 1)[0] ?? null);
}

export const deleteSchedule =
  ({ database, audit }: Deps) =>
  async ({ tenantId, actor, id }: Named): Promise<void> =>
    database.asTenant(tenantId, async (tx) => {
      if (!(await store.removeSchedule(tx, id))) throw scheduleNotFound(id);
      await audit.record(tx, { tenantId, actor, action: "schedule.deleted", target: `schedule:${id}` });
    });

export const getSchedule =
  (deps: Deps) =>
  async (tenantId: string, id: string): Promise<Schedule> => {
    await deps.codec.prepare(tenantId);
    return deps.database.asTenant(tenantId, async (tx) => shown(deps, tx, must(await store.findSchedule(tx, id), id)));
  };

export const listSchedules =
  (deps: Deps) =>
  async (tenantId: string, { limit, cursor, workflowId }: PageQuery & { workflowId?: string | undefined }): Promise<Page<Schedule>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    await deps.codec.prepare(tenantId);
    return deps.database.asTenant(tenantId, async (tx) => {
      const rows = await store.selectSchedules(tx, { before, workflowId, limit: limit + 1 });
      const now = await store.databaseTime(tx);
      return toPage(rows, { limit, map: (row) => toSchedule(row, deps.codec, now), key: ({ id }) => [id] });
    });
  };

export const listSlots =
  ({ database }: Deps) =>
  async (tenantId: string, { id, limit, cursor }: PageQuery & { id: string }): Promise<Page<Slot>> => {
    const [before] = decodeCursor(cursor, [SLOT]) ?? [];
    return database.asTenant(tenantId, async (tx) => {
      must(await store.findSchedule(tx, id), id);
      const rows = await store.selectSlots(tx, { scheduleId: id, before, limit: limit + 1 });
      return toPage(rows, { limit, map: (slot) => slot, key: ({ slot }) => [slot] });
    });
  };

/** Fires at once. Should this process die before the run is started, a poller finishes the slot. */
export const fireByHand =
  (deps: Deps) =>
  async ({ tenantId, actor, id }: Named): Promise<Run> => {
    const { database, audit, codec } = deps;
    await codec.prepare(tenantId);
    const due = await database.asTenant(tenantId, async (tx) => {
      const schedule = must(await store.findSchedule(tx, id, "lock"), id);
      const slot = await store.insertManualSlot(tx, schedule);
      if (!slot) throw new AppError("internal", "The slot was not stored.");
      await audit.record(tx, {
        tenantId,
        actor,
        action: "schedule.fired",
        target: `schedule:${id}`,
        details: { slot: slot.toISOString() },
      });
      return { ...schedule, scheduleId: id, slot, isManual: true, attempts: 1 };
    });
    try {
      const run = await fireSlot(deps, due);
      await database.asTenant(tenantId, (tx) => settle(tx, due, { outcome: "fired", runId: run.id }));
      return run;
    } catch (thrown) {
      const error = toAppError(thrown);
      if (!mayPass(error)) await database.asTenant(tenantId, (tx) => dropSlot(tx, due));
      throw error;
    }
  };

function must(row: ScheduleRecord | undefined, id: string): ScheduleRecord {
  if (!row) throw scheduleNotFound(id);
  return row;
}

async function shown({ codec }: Deps, tx: Tx, row: ScheduleRecord): Promise<Schedule> {
  return toSchedule(row, codec, await store.databaseTime(tx));
}

function toSchedule(row: ScheduleRecord, codec: ValueCodec, now: Date): Schedule {
  const { id, tenantId, input, nextAt: _nextAt, createdBy: _createdBy, ...rest } = row;
  const { tenantId: _tenant, ...visible } = { ...rest, tenantId };
  return {
    ...visible,
    id,
    input: codec.decode(input, { tenantId, row: store.inputRowName(id) }),
    next: row.enabled ? timesOf(row.cron, row.timeZone, now) : [],
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

const timesOf = (cron: string, timeZone: string, now: Date): string[] =>
  parseTimetable(cron, timeZone)
    .after(now, SHOWN)
    .map((time) => time.toISOString());

function requireSmall(input: Json): void {
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= LIMITS.scheduleInputBytes) return;
  throw new AppError("body_too_large", `A schedule's input may have ${LIMITS.scheduleInputBytes} bytes; this one has ${bytes}.`);
}

import { toAppError } from "#server/kernel/errors.ts";
import { reasonOf } from "./fire-slot.ts";
import { planSlots } from "./plan-slots.ts";
import type { TriggersDeps } from "./ports.ts";
import { lockPassed, storePlans, type PassedSchedule, type Planned } from "./slots.pg.ts";
import { parseTimetable } from "./timetable.ts";

const BATCH = 100;

/** Writes down every slot that has come and moves its schedule on, in one transaction. Answers whether there may be more. */
export const planDue = ({ database }: Pick<TriggersDeps, "database">): Promise<boolean> =>
  database.asWorker(async (tx) => {
    const passed = await lockPassed(tx, BATCH);
    if (passed.length > 0) await storePlans(tx, passed.map(plan));
    return passed.length === BATCH;
  });

/** A timetable that was valid when it was saved can stop being so with another version of the time zone database. */
function plan(schedule: PassedSchedule): Planned {
  const { id, nextAt } = schedule;
  try {
    return { id, plan: planSlots({ ...schedule, timetable: parseTimetable(schedule.cron, schedule.timeZone) }) };
  } catch (error) {
    return { id, slot: nextAt, failure: reasonOf(toAppError(error)) };
  }
}

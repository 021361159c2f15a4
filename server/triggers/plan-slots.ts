import type { z } from "zod";
import type { CatchUp } from "#contract/triggers.ts";
import type { Timetable } from "./timetable.ts";

/**
 * Which of the slots that have passed are fired, and which are missed.
 *
 * nextAt ──── missed ────▶│◀──── fired late, by catchUp ────▶│◀── on time ──▶ now
 *
 * A slot is on time within a minute. Late ones count only inside the schedule's window. What is fired is always the end of the
 * row, so that everything before it is one stretch of missed slots, however long nobody looked.
 */
export type SlotPlan = {
  fire: { slot: Date; isLate: boolean }[];
  missed: { slot: Date; until: Date; slots: number } | undefined;
  /** The first slot after now; null when none comes any more. */
  nextAt: Date | null;
};

export type Passed = {
  timetable: Timetable;
  /** The first slot that has not been planned; not after `now`. */
  nextAt: Date;
  now: Date;
  catchUp: z.infer<typeof CatchUp>;
  catchUpMinutes: number;
  catchUpSlots: number;
};

const ON_TIME_MS = 60_000;
/** A cron with seconds has this many slots on time. */
const ON_TIME_SLOTS = ON_TIME_MS / 1_000 + 1;
const COUNTED = 1_000;

export function planSlots(passed: Passed): SlotPlan {
  const { now, timetable } = passed;
  const { known, nextAt, isComplete } = lastPassed(passed);
  const onTime = known.filter((slot) => now.getTime() - slot.getTime() <= ON_TIME_MS);
  const late = caughtUp(passed, known.slice(0, known.length - onTime.length), onTime.length > 0);
  const fire = [...late.map((slot) => ({ slot, isLate: true })), ...onTime.map((slot) => ({ slot, isLate: false }))];
  if (isComplete) return { fire, missed: stretch(known.slice(0, known.length - fire.length)), nextAt };
  const until = timetable.before(fire[0]?.slot ?? new Date(now.getTime() + 1), 1)[0] ?? passed.nextAt;
  const first = [passed.nextAt, ...timetable.after(passed.nextAt, COUNTED - 1).filter((slot) => slot <= until)];
  return { fire, missed: { slot: passed.nextAt, until, slots: first.length }, nextAt };
}

type Known = { known: Date[]; nextAt: Date | null; isComplete: boolean };

/** The passed slots in order: all of them, or as many of the last as may be fired. */
function lastPassed({ timetable, nextAt, now, catchUpSlots }: Passed): Known {
  const enough = ON_TIME_SLOTS + catchUpSlots;
  const known = [nextAt];
  let next = timetable.after(nextAt, 1)[0] ?? null;
  while (next !== null && next <= now && known.length < enough) {
    known.push(next);
    next = timetable.after(next, 1)[0] ?? null;
  }
  if (next === null || next > now) return { known, nextAt: next, isComplete: true };
  // The millisecond after now, as a slot may be now.
  const last = timetable.before(new Date(now.getTime() + 1), enough).toReversed();
  return { known: last, nextAt: timetable.after(now, 1)[0] ?? null, isComplete: false };
}

function caughtUp({ now, catchUp, catchUpMinutes, catchUpSlots }: Passed, late: readonly Date[], hasOnTime: boolean): Date[] {
  const inWindow = late.filter((slot) => now.getTime() - slot.getTime() <= catchUpMinutes * 60_000);
  if (catchUp === "all") return inWindow.slice(-catchUpSlots);
  // One that is on time stands for all that were missed.
  return catchUp === "one" && !hasOnTime ? inWindow.slice(-1) : [];
}

function stretch(missed: readonly Date[]): SlotPlan["missed"] {
  const [slot] = missed;
  const until = missed.at(-1);
  return slot && until && { slot, until, slots: missed.length };
}

import { Cron } from "croner";
import { AppError } from "#server/kernel/errors.ts";

/**
 * The times of a cron in a time zone, in whole seconds. A single time of day that the clocks jump over comes right after the
 * jump, and one that they show twice comes once; times that repeat within the day (`*`, lists, steps) follow the clocks.
 */
export type Timetable = {
  /** The first times after this one, at most `count`; fewer when there are no more. */
  after(time: Date, count: number): Date[];
  /** The last times before this one, newest first, at most `count`. */
  before(time: Date, count: number): Date[];
};

/** Throws `schedule_invalid` for what cannot be read, for unknown time zones, and for times that never come. */
export function parseTimetable(cron: string, timeZone: string): Timetable {
  requireTimeZone(timeZone);
  const parsed = parse(cron, timeZone);
  if (parsed.nextRun(EPOCH) === null) throw invalid("cron", `${JSON.stringify(cron)} never comes: there is no such date.`);
  return {
    after: (time, count) => parsed.nextRuns(count, time),
    before: (time, count) => parsed.previousRuns(count, time),
  };
}

const EPOCH = new Date(0);

function parse(cron: string, timezone: string): Cron {
  // A date would be read too, as something that comes once.
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6 && !/^@[a-z]+$/.test(cron)) throw unreadable(cron, `it has ${fields.length}.`);
  try {
    return new Cron(cron, { timezone, mode: "5-or-6-parts", paused: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : "it cannot be read";
    throw unreadable(cron, why, cause);
  }
}

const unreadable = (cron: string, why: string, cause?: unknown): AppError =>
  invalid("cron", `Expected five fields, or six with seconds in front, not ${JSON.stringify(cron)}: ${why}`, cause);

/** Offsets like `+02:00` are no zones: they know no summer time. */
function requireTimeZone(timeZone: string): void {
  const isOffset = /^[+-]/.test(timeZone);
  try {
    if (!isOffset) {
      Intl.DateTimeFormat("en", { timeZone });
      return;
    }
  } catch {
    // Said below.
  }
  throw invalid("timeZone", `Expected a name of the IANA time zone database, such as Europe/Berlin, not ${JSON.stringify(timeZone)}.`);
}

function invalid(path: string, message: string, cause?: unknown): AppError {
  return new AppError("schedule_invalid", message, { issues: [{ path, message }], cause });
}

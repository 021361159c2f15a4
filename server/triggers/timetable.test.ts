import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planSlots, type Passed } from "./plan-slots.ts";
import { parseTimetable, type Timetable } from "./timetable.ts";

const times = (cron: string, zone: string, after: string, count = 3): string[] =>
  parseTimetable(cron, zone)
    .after(new Date(after), count)
    .map((time) => time.toISOString().replace(".000Z", "Z"));

function between(timetable: Timetable, first: Date, last: Date): Date[] {
  const found: Date[] = [];
  for (let at: Date | undefined = first; at && at <= last; [at] = timetable.after(at, 1)) found.push(at);
  return found;
}

describe("a timetable", () => {
  test("reads five fields, six with seconds in front, and names", () => {
    expect(times("0 9 * * 1-5", "UTC", "2026-05-01T10:00:00Z", 2)).toEqual(["2026-05-04T09:00:00Z", "2026-05-05T09:00:00Z"]);
    expect(times("*/20 * * * * *", "UTC", "2026-05-01T10:00:00Z", 2)).toEqual(["2026-05-01T10:00:20Z", "2026-05-01T10:00:40Z"]);
    expect(times("@daily", "Asia/Kolkata", "2026-05-01T10:00:00Z", 1)).toEqual(["2026-05-01T18:30:00Z"]);
  });

  test("fires a time that the clocks jump over once, right after the jump", () => {
    expect(times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z")).toEqual([
      "2026-03-28T01:30:00Z",
      "2026-03-29T01:00:00Z",
      "2026-03-30T00:30:00Z",
    ]);
  });

  test("fires a time that the clocks show twice once", () => {
    expect(times("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z")).toEqual([
      "2026-10-24T00:30:00Z",
      "2026-10-25T00:30:00Z",
      "2026-10-26T01:30:00Z",
    ]);
  });

  test("fires every hour of a day of 23 and of one of 25", () => {
    const hours = (day: string, next: string): number => times("0 * * * *", "Europe/Berlin", day, 30).filter((time) => time <= next).length;
    expect(hours("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")).toBe(23);
    expect(hours("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")).toBe(25);
  });

  test("knows leap days, the year 2100 and the last day of each month", () => {
    expect(times("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2)).toEqual(["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    expect(times("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1)).toEqual(["2104-02-29T00:00:00Z"]);
    expect(times("0 12 L * *", "UTC", "2028-01-31T12:00:00Z", 2)).toEqual(["2028-02-29T12:00:00Z", "2028-03-31T12:00:00Z"]);
  });

  test.each([
    ["no cron at all", "every morning", "UTC", "cron"],
    ["nothing", "", "UTC", "cron"],
    ["four fields", "* * * *", "UTC", "cron"],
    ["seven fields", "* * * * * * *", "UTC", "cron"],
    ["a minute that no hour has", "60 * * * *", "UTC", "cron"],
    ["a step of nothing", "*/0 * * * *", "UTC", "cron"],
    ["a range backwards", "30-10 * * * *", "UTC", "cron"],
    ["a date", "2030-01-01T00:00:00", "UTC", "cron"],
    ["a day that no year has", "0 0 30 2 *", "UTC", "cron"],
    ["a nickname that is none", "@sometimes", "UTC", "cron"],
    ["a zone that is none", "0 0 * * *", "Mars/Olympus", "timeZone"],
    ["an offset for a zone", "0 0 * * *", "+02:00", "timeZone"],
    ["no zone", "0 0 * * *", "", "timeZone"],
  ])("refuses %s", (_, cron, zone, path) => {
    expect(() => parseTimetable(cron, zone)).toThrow(
      expect.objectContaining({ code: "schedule_invalid", issues: [expect.objectContaining({ path })] }),
    );
  });
});

describe("planning the slots that have passed", () => {
  const plan = (cron: string, nextAt: string, now: string, more: Partial<Passed> = {}) => {
    const {
      fire,
      missed,
      nextAt: next,
    } = planSlots({
      timetable: parseTimetable(cron, "UTC"),
      nextAt: new Date(nextAt),
      now: new Date(now),
      catchUp: "one",
      catchUpMinutes: 1_440,
      catchUpSlots: 100,
      ...more,
    });
    const clock = (time: Date): string => time.toISOString().slice(11, 19);
    return {
      fire: fire.map(({ slot, isLate }) => `${clock(slot)}${isLate ? " late" : ""}`),
      missed: missed && `${clock(missed.slot)}-${clock(missed.until)}: ${missed.slots}`,
      next: next && clock(next),
    };
  };
  const hourly = ["0 * * * *", "2026-05-01T01:00:00Z", "2026-05-01T05:30:00Z"] as const;

  test("fires one that has just come", () => {
    expect(plan("0 * * * *", "2026-05-01T01:00:00Z", "2026-05-01T01:00:00.300Z")).toEqual({
      fire: ["01:00:00"],
      missed: undefined,
      next: "02:00:00",
    });
  });
  test("`none` fires none of the late ones", () => {
    expect(plan(...hourly, { catchUp: "none" })).toEqual({ fire: [], missed: "01:00:00-05:00:00: 5", next: "06:00:00" });
  });
  test("`one` fires the last of the late ones", () => {
    expect(plan(...hourly)).toEqual({ fire: ["05:00:00 late"], missed: "01:00:00-04:00:00: 4", next: "06:00:00" });
  });
  test("`one` fires nothing late when one is on time", () => {
    expect(plan("0 * * * *", "2026-05-01T01:00:00Z", "2026-05-01T05:00:01Z").fire).toEqual(["05:00:00"]);
  });
  test("`all` fires as many of the last ones as it may", () => {
    expect(plan(...hourly, { catchUp: "all" })).toMatchObject({
      fire: [1, 2, 3, 4, 5].map((hour) => `0${hour}:00:00 late`),
      missed: undefined,
    });
    expect(plan(...hourly, { catchUp: "all", catchUpSlots: 2 })).toMatchObject({
      fire: ["04:00:00 late", "05:00:00 late"],
      missed: "01:00:00-03:00:00: 3",
    });
  });
  test("what is older than the window is missed, whatever the policy", () => {
    expect(plan(...hourly, { catchUp: "all", catchUpMinutes: 60 })).toMatchObject({
      fire: ["05:00:00 late"],
      missed: "01:00:00-04:00:00: 4",
    });
    expect(plan(...hourly, { catchUpMinutes: 1 })).toMatchObject({ fire: [], missed: "01:00:00-05:00:00: 5" });
  });
  test("a year of seconds is one stretch of missed slots, planned at once", () => {
    const { fire, missed } = plan("* * * * * *", "2025-05-01T00:00:00Z", "2026-05-01T00:00:00Z", { catchUp: "all", catchUpSlots: 10 });
    expect(fire).toHaveLength(71);
    expect(missed).toBe("00:00:00-23:58:49: 1000");
  });

  test("every slot is fired once or missed once, in every zone and over every change of the clocks", () => {
    const property = fc.property(
      fc.constantFrom("*/7 * * * *", "30 2 * * *", "0 0 * * *", "15,45 1-3 * * *", "0 */5 * * *", "*/30 * * * * *"),
      fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"),
      fc.integer({ min: Date.UTC(2026, 0, 1) / 1_000, max: Date.UTC(2027, 0, 1) / 1_000 }),
      fc.integer({ min: 0, max: 3 * 86_400 }),
      fc.constantFrom("none", "one", "all"),
      (cron, zone, from, seconds, catchUp) => {
        const timetable = parseTimetable(cron, zone);
        const [nextAt] = timetable.after(new Date(from * 1_000), 1);
        const now = new Date((from + seconds) * 1_000);
        if (!nextAt || nextAt > now) return;
        const plan = planSlots({ timetable, nextAt, now, catchUp, catchUpMinutes: 600, catchUpSlots: 5 });
        const missed = plan.missed ? between(timetable, plan.missed.slot, plan.missed.until) : [];
        const planned = [...missed, ...plan.fire.map(({ slot }) => slot)].map(Number);
        expect(planned).toEqual(between(timetable, nextAt, now).map(Number));
        expect(plan.nextAt).toEqual(timetable.after(now, 1)[0]);
      },
    );
    fc.assert(property, { numRuns: 40 });
  }, 60_000);
});

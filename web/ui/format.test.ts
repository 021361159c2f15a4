import { describe, expect, test } from "vitest";
import { formatBytes, formatClock, formatDuration, formatMoment, formatPercent, formatRelative, shortId } from "./format.ts";
import { keyName } from "./kbd.tsx";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [-5, "0 ms"],
  [0, "0 ms"],
  [0.4, "< 1 ms"],
  [412.4, "412 ms"],
  [999.4, "999 ms"],
  [4_260, "4.2 s"],
  [9_990, "9.9 s"],
  [59_999, "59 s"],
  [64_000, "1 m 04 s"],
  [2 * HOUR + 5 * MINUTE, "2 h 05 m"],
  [3 * DAY + 4 * HOUR, "3 d 04 h"],
])("%d ms is %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [980, "980 B"],
  [4_100, "4.1 kB"],
  [2_000_000, "2.0 MB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

describe("a moment", () => {
  const now = Date.parse("2026-03-02T12:00:00.000Z");
  test.each([
    [now - 3 * SECOND, "now"],
    [now - 40 * SECOND, "40 seconds ago"],
    [now - 3 * MINUTE, "3 minutes ago"],
    [now + 2 * HOUR, "in 2 hours"],
    [now - DAY, "yesterday"],
    [now - 30 * DAY, "Jan 31, 2026"],
  ])("is told from now", (at, text) => {
    expect(formatRelative(at, now)).toBe(text);
  });

  test("has an exact form and a clock", () => {
    expect(formatMoment(now)).toContain("2026");
    expect(formatClock(new Date(2026, 2, 2, 9, 5, 7, 42).getTime())).toBe("09:05:07.042");
  });
});

test("small things", () => {
  expect(shortId("01a20710-29de-7c4d-b4b5-5c0a2cb30760")).toBe("2cb30760");
  expect(formatPercent(0.004)).toBe("< 1 %");
  expect(formatPercent(0.42)).toBe("42 %");
  expect(["mod", "enter", "k", "plus"].map(keyName)).toEqual(["Ctrl", "↵", "K", "+"]);
});

import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { atMost } from "./at-most.ts";

test("work is waited for, but not for ever", async () => {
  expect(await atMost(1_000, pause(1))).toBe(true);
  expect(await atMost(5, new Promise(() => {}))).toBe(false);
});

test("a failure in time is the caller's, a later one nobody's", async () => {
  await expect(atMost(1_000, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  const late = pause(20).then(() => Promise.reject(new Error("too late")));
  expect(await atMost(1, late)).toBe(false);
  await pause(40);
});

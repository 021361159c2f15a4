import { expect, test } from "vitest";
import type { Log } from "#server/kernel/log.ts";
import { silentLog } from "#server/kernel/log.ts";
import { createOutage } from "./outage.ts";

test("an outage is told once, and its end once, when nothing has failed for a while", () => {
  const told: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => void told.push(message) };
  let now = 0;
  const outage = createOutage(log, () => now);
  outage.answered();
  expect(told).toEqual([]);
  outage.failed(new Error("refused"));
  outage.failed("again");
  // It answers pings and refuses the rest, as a full one does.
  now = 1_000;
  outage.answered();
  outage.failed(new Error("out of memory"));
  now = 3_500;
  outage.answered();
  expect(told).toHaveLength(1);
  now = 4_000;
  outage.answered();
  outage.answered();
  expect(told).toHaveLength(2);
  outage.failed(new Error("refused"));
  expect(told).toHaveLength(3);
});

import { expect, test } from "vitest";
import { STARTS_AT_ONCE, startTogether } from "./start-together.ts";

test("of many servers a few start at a time, each that is wanted once, whether the one before it failed or not (S-20)", async () => {
  let atOnce = 0;
  let most = 0;
  const begun: number[] = [];
  const servers = Array.from({ length: 64 }, (_, i) => ({
    record: { desired: i === 10 ? ("stopped" as const) : ("running" as const) },
    start: async (): Promise<void> => {
      begun.push(i);
      most = Math.max(most, (atOnce += 1));
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      if (i % 3 === 0) throw new Error("did not start");
    },
  }));
  await startTogether(servers);
  expect(most).toBe(STARTS_AT_ONCE);
  expect(begun).toEqual(servers.map((_, i) => i).filter((i) => i !== 10));
});

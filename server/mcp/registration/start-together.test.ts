import { LIMITS } from "#contract/limits.ts";
import { expect, test } from "vitest";
import { STARTS_AT_ONCE, startTogether } from "./start-together.ts";

test("of many servers a few start at a time, each that is still wanted once, whether the one before it failed or not (S-20)", async () => {
  let atOnce = 0;
  let most = 0;
  const begun: number[] = [];
  const isStopped = (i: number): boolean => i === 10 || (i === 400 && begun.length > 100);
  const servers = Array.from({ length: LIMITS.importedServers }, (_, i) => ({
    get record() {
      return { desired: isStopped(i) ? ("stopped" as const) : ("running" as const) };
    },
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
  expect(begun).toEqual(servers.map((_, i) => i).filter((i) => i !== 10 && i !== 400));
});

import { describe, expect, test } from "vitest";
import { Health } from "./health.ts";
import { OFFENCE_OF, Offences, RULES, type Offence } from "./offences.ts";

const ALL: readonly Offence[] = ["protocol", "over_limit", "spawn_storm"];

describe("the rules that a server is taken out by", () => {
  test.each(ALL)("%s: once too often within the time, and then from the beginning", (offence) => {
    const { most } = RULES[offence];
    const offences = new Offences();
    const counted = Array.from({ length: most * 2 }, (_, i) => offences.count(offence, i));
    expect(counted.flatMap((isTooOften, i) => (isTooOften ? [i + 1] : []))).toEqual([most, most * 2]);
  });

  test.each(ALL)("%s: not as often in more time, and not after it was forgiven", (offence) => {
    const { most, withinMs } = RULES[offence];
    const slowly = new Offences();
    const apart = Math.ceil(withinMs / (most - 1));
    expect(Array.from({ length: most * 3 }, (_, i) => slowly.count(offence, i * apart))).not.toContain(true);
    const forgiven = new Offences();
    for (let i = 1; i < most; i += 1) forgiven.count(offence, i);
    forgiven.forget();
    expect(forgiven.count(offence, most)).toBe(false);
  });

  test("the one does not count for the other, and not every loss counts", () => {
    const offences = new Offences();
    for (let i = 1; i < RULES.protocol.most; i += 1) offences.count("protocol", i);
    expect(offences.count("over_limit", 10)).toBe(false);
    expect(offences.count("protocol", 11)).toBe(true);
    expect(OFFENCE_OF.mcp_exited).toBeUndefined();
  });
});

test("the health of a server is about its last hundred checks and calls", () => {
  const health = new Health();
  const at = new Date("2026-01-01T00:00:00Z");
  expect(health.note({ failed: 1 }, at)).toEqual({
    lastCheckAt: at.toISOString(),
    latencyMs: null,
    p50Ms: null,
    p95Ms: null,
    failedChecks: 1,
  });
  for (let i = 0; i < 50; i += 1) health.latencies.add(10_000);
  for (let ms = 1; ms <= 99; ms += 1) health.latencies.add(ms);
  expect(health.note({ failed: 0, latencyMs: 100.04 }, at)).toMatchObject({ latencyMs: 100, p50Ms: 51, p95Ms: 96, failedChecks: 0 });
});

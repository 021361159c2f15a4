import { expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { retryAfterMs } from "./http-response.ts";

const NOW = Date.UTC(2026, 0, 1);

test.each<[string | undefined, number | undefined]>([
  ["7", 7_000],
  ["0.5", 500],
  ["0", 0],
  [new Date(NOW + 90_000).toUTCString(), 90_000],
  [new Date(NOW - 90_000).toUTCString(), undefined],
  ["soon", undefined],
  ["", undefined],
  ["-1", undefined],
  [undefined, undefined],
  [String(LIMITS.retryAfterMs / 1_000), LIMITS.retryAfterMs],
  [String(LIMITS.retryAfterMs / 1_000 + 1), LIMITS.retryAfterMs],
])("retry-after %j", (value, expected) => expect(retryAfterMs(value, NOW)).toBe(expected));

import { expect, test } from "vitest";
import { idempotencyKey } from "./step-identity.ts";

const base = { runId: "r", scope: "/each[1]", nodeId: "n", generation: 1 };

test("is the same for the same step and differs in every part", () => {
  const keys = [base, { ...base, runId: "s" }, { ...base, scope: "/each[2]" }, { ...base, nodeId: "m" }, { ...base, generation: 2 }].map(
    idempotencyKey,
  );
  expect(new Set(keys).size).toBe(5);
  expect(idempotencyKey({ ...base })).toBe(keys[0]);
});

test("parts cannot flow into one another", () => {
  expect(idempotencyKey({ ...base, scope: "a", nodeId: "bc" })).not.toBe(idempotencyKey({ ...base, scope: "ab", nodeId: "c" }));
});

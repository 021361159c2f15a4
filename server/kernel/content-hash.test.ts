import { expect, test } from "vitest";
import { contentHash } from "./content-hash.ts";

const hash = (value: unknown): string => contentHash(value).toString("hex");

test("the order of keys does not matter, everything else does", () => {
  expect(hash({ a: 1, b: [1, 2] })).toBe(hash({ b: [1, 2], a: 1 }));
  expect(hash({ a: [1, 2] })).not.toBe(hash({ a: [2, 1] }));
  expect(hash("1")).not.toBe(hash(1));
  expect(hash(undefined)).toBe(hash(null));
});

test("half a surrogate pair has a hash too", () => {
  expect(hash({ text: "\ud800" })).toBe(hash({ text: "\ud800" }));
  expect(hash({ text: "\ud800" })).not.toBe(hash({ text: "\ud801" }));
});

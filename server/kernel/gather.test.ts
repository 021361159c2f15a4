import { expect, test } from "vitest";
import { gather, gatherByTenant } from "./gather.ts";

test("what arrives while a batch is under way goes together in the next", async () => {
  const batches: number[][] = [];
  const double = gather<number, number>(async (items) => {
    batches.push([...items]);
    await new Promise((resolve) => setImmediate(resolve));
    return items.map((item) => item * 2);
  }, 3);
  expect(await Promise.all([1, 2, 3, 4, 5].map(double))).toEqual([2, 4, 6, 8, 10]);
  expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  expect(await double(6)).toBe(12);
});

test("a batch that fails rejects its own calls only", async () => {
  const work = gather<string, string>((items) => (items.includes("bad") ? Promise.reject(new Error("no")) : Promise.resolve(items)), 1);
  const results = await Promise.allSettled(["a", "bad", "b"].map(work));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("a call that was not answered is rejected", async () => {
  await expect(gather<number, number>(() => Promise.resolve([]), 1)(1)).rejects.toThrow("fewer items");
});

test("tenants do not wait for each other and never share a batch", async () => {
  const batches: string[][] = [];
  const never = new Promise<readonly number[]>(() => {});
  const size = gatherByTenant<string, number>(async (tenantId, items) => {
    batches.push([tenantId, ...items]);
    return tenantId === "slow" ? never : items.map(({ length }) => length);
  }, 10);
  void size("slow", "a");
  expect(await Promise.all([size("quick", "a"), size("quick", "bb"), size("quick", "ccc")])).toEqual([1, 2, 3]);
  expect(batches).toEqual([
    ["slow", "a"],
    ["quick", "a"],
    ["quick", "bb", "ccc"],
  ]);
});

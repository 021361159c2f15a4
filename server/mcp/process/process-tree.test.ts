import { expect, test } from "vitest";
import { treeMembers } from "./process-tree.ts";

test("a tree that has had any number of processes is not remembered without a bound; who lives stays known", async () => {
  const info = (pid: number) => ({ pid, ppid: 1, group: pid, startTime: "100", cpuMs: 0 });
  const seen = new Map([7, ...Array.from({ length: 5_000 }, (_, i) => 1_000 + i)].map((pid) => [pid, "100"]));
  const root = { pid: 2, startTime: "100", marker: "none", seen };
  const members = await treeMembers(root, [info(2), info(7), info(8)], async () => ({ marker: "", residentLimit: "" }));
  expect(members.map(({ pid }) => pid)).toEqual([2, 7]);
  expect([...seen.keys()].toSorted((a, b) => a - b)).toEqual([2, 7]);
});

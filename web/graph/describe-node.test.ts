import { expect, test } from "vitest";
import { triage } from "../testing/entities.ts";
import { labelsOf, nodeSubtitle } from "./describe-node.ts";

test("a node's second line says what it calls or computes", () => {
  expect(Object.fromEntries(triage.nodes.map((node) => [node.id, nodeSubtitle(node)]))).toEqual({
    start: "",
    list: "files · list_directory",
    each: "steps.list.names",
    summary: "offline/extractive",
    check: "facts · check",
    any: "$count(steps.each) > 0",
    rank: "urgency",
    end: "",
  });
});

test("values are told by their shape", () => {
  const transform = (output: Parameters<typeof nodeSubtitle>[0] extends never ? never : string | number | object): string =>
    nodeSubtitle({ id: "t", type: "transform", data: { output: JSON.parse(JSON.stringify(output)) } });
  expect(transform({ a: 1, b: 2 })).toBe("{ a, b }");
  expect(transform([1, 2, 3])).toBe("[3]");
  expect(transform(7)).toBe("7");
  expect(transform("=  a\n  + b")).toBe("a + b");
});

test("labels fall back to ids", () => {
  expect(labelsOf(undefined).size).toBe(0);
  expect(labelsOf({ ...triage, nodes: triage.nodes.map((node) => ({ ...node, label: undefined })) }).get("list")).toBe("list");
});

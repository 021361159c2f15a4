import { describe, expect, test } from "vitest";
import { enclosing, formatStepRef, itemScope, iterationsOf, parseStepRef } from "./scope.ts";

describe("scopes", () => {
  test("are paths of enclosing items", () => {
    expect(iterationsOf("/each[17]/inner[2]")).toEqual([
      { containerId: "each", index: 17 },
      { containerId: "inner", index: 2 },
    ]);
    expect(iterationsOf("")).toEqual([]);
    expect(itemScope("/each[1]", "inner", 4)).toBe("/each[1]/inner[4]");
  });

  test("know the step that made them", () => {
    expect(enclosing("/each[1]/inner[4]")).toEqual({ scope: "/each[1]", nodeId: "inner", index: 4 });
    expect(enclosing("/each[1]")).toEqual({ scope: "", nodeId: "each", index: 1 });
    expect(enclosing("")).toBeUndefined();
  });
});

describe("a step's address", () => {
  test.each([
    ["list", { scope: "", nodeId: "list" }],
    ["each[3]/read", { scope: "/each[3]", nodeId: "read" }],
    ["each[3]/inner[0]/read", { scope: "/each[3]/inner[0]", nodeId: "read" }],
  ])("%s is read and written alike", (text, ref) => {
    expect(parseStepRef(text)).toEqual(ref);
    expect(formatStepRef(ref)).toBe(text);
  });

  test.each(["", "each[x]/read", "/list", "a b", "each[3]", "each[3]/", undefined])("%j is none", (text) => {
    expect(parseStepRef(text)).toBeUndefined();
  });
});

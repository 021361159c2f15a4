import { describe, expect, test } from "vitest";
import { suggestAt } from "./suggest.ts";

const schema = {
  type: "object",
  required: ["city"],
  properties: {
    city: { type: "string", description: "Where", enum: ["Bern", "Rome"] },
    exact: { type: "boolean" },
    range: { $ref: "#/$defs/range" },
    tags: { type: "array", items: { anyOf: [{ const: "a" }, { const: "b" }] } },
  },
  $defs: { range: { type: "object", properties: { from: { type: "integer", default: 1 }, self: { $ref: "#/$defs/range" } } } },
};

describe("what a schema allows at a place", () => {
  test("its members, with their types and whether they must be there", () => {
    expect(suggestAt(schema, "")).toEqual([
      { kind: "property", value: "city", type: "string", description: "Where", isRequired: true },
      { kind: "property", value: "exact", type: "boolean", description: null, isRequired: false },
      { kind: "property", value: "range", type: "object", description: null, isRequired: false },
      { kind: "property", value: "tags", type: "array", description: null, isRequired: false },
    ]);
  });

  test.each([
    ["city", ["Bern", "Rome"]],
    ["exact", [true, false]],
    ["range", ["from", "self"]],
    ["range.self.self.from", [1]],
    ["tags.0", ["a", "b"]],
    ["nowhere.at.all", []],
    ["__proto__", []],
  ])("at %s", (path, expected) => {
    expect(suggestAt(schema, path).map(({ value }) => value)).toEqual(expected);
  });

  test("a schema that refers to itself for ever ends", () => {
    const endless = { anyOf: [{ $ref: "#" }, { $ref: "#/anyOf/0" }], properties: { a: { $ref: "#" } } };
    expect(suggestAt(endless, "a.a.a").map(({ value }) => value)).toEqual(["a"]);
  });
});

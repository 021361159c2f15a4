import { describe, expect, test } from "vitest";
import { compileJsonSchema } from "./json-schema.ts";

describe("a schema from elsewhere", () => {
  test("names what is wrong by path, all at once", () => {
    const check = compileJsonSchema({
      type: "object",
      properties: { list: { type: "array", items: { type: "number" } }, "a/b": { const: 1 }, name: {}, mode: { enum: ["x", "y"] } },
      required: ["name"],
      additionalProperties: false,
    });
    const issues = check({ list: [1, "2"], "a/b": 2, mode: "z", surplus: 1 });
    expect(issues.map(({ path }) => path).toSorted()).toEqual(["a/b", "list.1", "mode", "name", "surplus"]);
    expect(issues.find(({ path }) => path === "mode")?.message).toBe('must be one of "x", "y"');
    expect(check({ name: "n" })).toEqual([]);
  });

  test("keeps several patterns apart", () => {
    const check = compileJsonSchema({ properties: { a: { pattern: "^[a-z]+$" }, b: { pattern: "^[0-9]+$" } } });
    expect(check({ a: "abc", b: "123" })).toEqual([]);
    expect(check({ a: "123", b: "abc" }).map(({ path }) => path)).toEqual(["a", "b"]);
  });

  test("matches in linear time what would take for ever by backtracking", () => {
    const check = compileJsonSchema({ type: "string", pattern: "^(a+)+$" });
    expect(check(`${"a".repeat(50_000)}!`)).toHaveLength(1);
  });

  test("does not take inherited properties for present ones", () => {
    const check = compileJsonSchema({ type: "object", required: ["constructor", "toString"] });
    expect(check({})).toHaveLength(2);
  });

  test("knows formats", () => {
    expect(compileJsonSchema({ format: "date" })("2026-02-31")).toHaveLength(1);
  });

  test.each([{ type: "nonsense" }, { $ref: "https://example.com/schema.json" }, { pattern: "(?=look)ahead" }])("refuses %o", (schema) => {
    expect(() => compileJsonSchema(schema)).toThrow(Error);
  });
});

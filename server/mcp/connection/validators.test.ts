import { describe, expect, test } from "vitest";
import { schemaCheck } from "./validators.ts";

const check = (properties: object) => schemaCheck({ type: "object", properties }, "The schema", "arguments");

describe("a tool's arguments", () => {
  test("each pattern is checked as itself", () => {
    const issues = check({ letters: { type: "string", pattern: "^[a-z]+$" }, digits: { type: "string", pattern: "^[0-9]+$" } });
    expect(issues({ letters: "abc", digits: "123" })).toEqual([]);
    expect(issues({ letters: "abc", digits: "abc" })).toHaveLength(1);
  });

  test("a pattern that the linear engine cannot express is left to the server", () => {
    expect(check({ odd: { type: "string", pattern: "(?=a)b" } })({ odd: "zzz" })).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { createValidators } from "./validators.ts";

const tool = (properties: object) => ({ name: "t", hash: JSON.stringify(properties), inputSchema: () => ({ type: "object", properties }) });

describe("a tool's arguments", () => {
  test("each pattern is checked as itself", () => {
    const { issues } = createValidators();
    const both = tool({ letters: { type: "string", pattern: "^[a-z]+$" }, digits: { type: "string", pattern: "^[0-9]+$" } });
    expect(issues(both, { letters: "abc", digits: "123" })).toEqual([]);
    expect(issues(both, { letters: "abc", digits: "abc" })).toHaveLength(1);
  });

  test("a pattern that the linear engine cannot express is left to the server", () => {
    const { issues } = createValidators();
    expect(issues(tool({ odd: { type: "string", pattern: "(?=a)b" } }), { odd: "zzz" })).toEqual([]);
  });
});

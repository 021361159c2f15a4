import { describe, expect, test } from "vitest";
import { COMPUTED, type KnownValue } from "#server/kernel/known-value.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import { createArgumentJudge } from "./judge-arguments.ts";

const judge = createArgumentJudge();
let made = 0;

function toolOf(inputSchema: object): PinnedTool {
  made += 1;
  return {
    id: "1",
    name: "tool",
    text: JSON.stringify({ name: "tool", inputSchema }),
    hash: String(made),
    approvedHash: String(made),
    approval: "approved",
    effect: "once",
    findings: [],
    isFlagged: false,
    listed: true,
    isDisabled: false,
    reason: null,
  };
}

const judged = (schema: object, known: KnownValue): string[] =>
  judge(toolOf(schema), known).map(({ path, expected, got }) => `${path}: ${expected} <- ${got}`);

const PLAIN = {
  type: "object",
  properties: {
    path: { type: "string" },
    depth: { type: "integer", minimum: 1 },
    mode: { enum: ["fast", "slow"] },
    options: { type: "object", properties: { deep: { type: "boolean" } }, required: ["deep"], additionalProperties: false },
    tags: { type: "array", items: { type: "string" }, maxItems: 2 },
  },
  required: ["path", "mode"],
  additionalProperties: false,
};
const CHOICE = {
  type: "object",
  properties: { to: { anyOf: [{ type: "string" }, { type: "null" }] }, at: { oneOf: [{ $ref: "#/$defs/day" }, { $ref: "#/$defs/span" }] } },
  $defs: {
    day: { type: "object", properties: { day: { type: "string" } }, required: ["day"] },
    span: { type: "object", properties: { from: { type: "string" } }, required: ["from"] },
  },
};
/** As text, since an object with a `then` looks like a promise. */
const DEPENDENT = JSON.parse(`{
  "properties": { "kind": { "type": "string" }, "size": { "type": "number" }, "name": { "type": "string" } },
  "if": { "properties": { "kind": { "const": "file" } } },
  "then": { "required": ["size"] },
  "else": { "required": ["name"] }
}`);
const REFERRED = {
  allOf: [{ $ref: "#/$defs/base" }],
  properties: { b: { type: "number" } },
  $defs: { base: { type: "object", properties: { a: { $ref: "#/$defs/number" } }, required: ["a"] }, number: { type: "number" } },
};
/** Each level multiplies. */
const MANY = {
  properties: { x: { $ref: "#/$defs/many" } },
  $defs: { many: { allOf: Array.from({ length: 30 }, () => ({ properties: { x: { $ref: "#/$defs/many" } } })) } },
};

describe("arguments as they are known before a run", () => {
  test.each<[string, object, KnownValue, string[]]>([
    ["fit", PLAIN, { path: "/", mode: "fast", depth: 2, options: { deep: true }, tags: ["a"] }, []],
    ["lack what is required", PLAIN, {}, ["arguments.path: a value (string) <- nothing", "arguments.mode: a value <- nothing"]],
    ["have a value of another type", PLAIN, { path: 5, mode: "fast" }, ["arguments.path: string <- 5"]],
    ["have a value out of bounds", PLAIN, { path: "/", mode: "fast", depth: 0 }, ["arguments.depth: must be >= 1 <- 0"]],
    ["have none of the values", PLAIN, { path: "/", mode: "lazy" }, ['arguments.mode: one of "fast", "slow" <- "lazy"']],
    [
      "have a name that nobody knows",
      PLAIN,
      { path: "/", mode: "fast", dept: 1 },
      ["arguments.dept: no value of this name; there is path, depth, mode, options, tags <- 1"],
    ],
    [
      "are wrong further inside",
      PLAIN,
      { path: "/", mode: "fast", options: { deeper: true }, tags: ["a", 7] },
      [
        "arguments.options.deep: a value (boolean) <- nothing",
        "arguments.options.deeper: no value of this name; there is deep <- true",
        "arguments.tags.1: string <- 7",
      ],
    ],
    ["fit none of several forms", CHOICE, { to: 5 }, ["arguments.to: string or null <- 5"]],
    ["fit none of several forms that stand elsewhere", CHOICE, { at: {} }, ["arguments.at: day: a value or from: a value <- {}"]],
    ["lack what another one asks for", DEPENDENT, { kind: "file" }, ["arguments.size: a value (number) <- nothing"]],
    ["are a list", PLAIN, [], ["arguments: object <- []"]],
  ])("%s", (_what, schema, known, expected) => {
    expect(judged(schema, known)).toEqual(expected);
  });
});

describe("what a run computes", () => {
  test.each<[string, object, KnownValue, string[]]>([
    ["is not judged as a whole", PLAIN, COMPUTED, []],
    ["counts as present, whatever it will be", PLAIN, { path: COMPUTED, mode: COMPUTED, options: COMPUTED, tags: [COMPUTED] }, []],
    [
      "hides nothing beside it",
      PLAIN,
      { path: COMPUTED, depth: "two", options: { deep: COMPUTED, x: 1 }, extra: COMPUTED },
      [
        "arguments.mode: a value <- nothing",
        'arguments.depth: integer <- "two"',
        "arguments.options.x: no value of this name; there is deep <- 1",
        'arguments.extra: no value of this name; there is path, depth, mode, options, tags <- "(computed)"',
      ],
    ],
    [
      "hides the other items of its list, but not how many",
      PLAIN,
      { path: "", mode: "fast", tags: [COMPUTED, 1, 2] },
      ['arguments.tags: must NOT have more than 2 items <- ["(computed)",1,2]'],
    ],
    ["may decide which form is meant", CHOICE, { to: COMPUTED, at: { day: COMPUTED } }, []],
    ["may decide what else is required", DEPENDENT, { kind: COMPUTED }, []],
    ["is looked for through references", REFERRED, { b: COMPUTED }, ["arguments.a: a value <- nothing"]],
    [
      "may have any name that a pattern allows",
      { patternProperties: { "^x-": { type: "number" } }, additionalProperties: false },
      { "x-1": COMPUTED },
      [],
    ],
  ])("%s", (_what, schema, known, expected) => {
    expect(judged(schema, known).toSorted()).toEqual(expected.toSorted());
  });
});

test("a schema that cannot be used says so, also for arguments that are computed", () => {
  const broken = { type: "object", properties: { a: { $ref: "#/nowhere" } } };
  expect(() => judged(broken, {})).toThrow(/nowhere/);
  expect(() => judged(broken, COMPUTED)).toThrow(/nowhere/);
});

test("nothing is said where too much would have to be taken apart", () => {
  expect(judged(MANY, { x: { x: { x: { x: { x: { x: COMPUTED } } } } } })).toEqual([]);
});

test("one definition is compiled once, and a long value is shown shortened", () => {
  const tool = toolOf(PLAIN);
  expect(judge(tool, { path: "/", mode: "fast" })).toEqual([]);
  // Under the hash of a definition that is known, this one is not looked at.
  const unusable = { ...toolOf({ type: "object", properties: { a: { $ref: "#/nowhere" } } }), hash: tool.hash };
  expect(judge(unusable, { path: "/", mode: "fast" })).toEqual([]);
  const [problem] = judge(tool, { path: "/", mode: "x".repeat(1_000) });
  expect(problem?.got).toHaveLength(101);
});

import fc from "fast-check";
import jsonata from "jsonata";
import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { compileExpression } from "./compile-expression.ts";
import { parseExpression } from "./parse.ts";
import { plainEvaluator } from "./plain.ts";
import { plainJson } from "./plain-json.ts";
import type { Roots } from "./roots.ts";

/** Closures against JSONata itself, over random plain expressions and random data. */

const NAMES = ["a", "b", "c", "list", "constructor"] as const;
const name = fc.constantFrom(...NAMES);
const scalar = fc.oneof(
  fc.constantFrom<Json>(0, 1, 2, -1, 1.5, 0.1, 3e15, "", "a", "b", "1", "x{{y}}", true, false, null),
  fc.integer({ min: -3, max: 3 }),
);
const { json: data } = fc.letrec<{ json: Json; array: Json; object: Json }>((tie) => ({
  json: fc.oneof({ depthSize: "small" }, scalar, tie("array"), tie("object"), tie("object")),
  array: fc.oneof(fc.array(tie("object"), { maxLength: 4 }), fc.array(tie("json"), { maxLength: 3 }), fc.array(scalar, { maxLength: 4 })),
  object: fc.dictionary(name, tie("json"), { maxKeys: 4, noNullPrototype: true }),
}));

const literal = fc.oneof(
  fc.constantFrom("0", "1", "2", "-1", "1.5", '""', '"a"', '"b"', '"["', "true", "false", "null"),
  fc.integer({ min: -3, max: 3 }).map(String),
);
const operator = fc.constantFrom("+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "&", "and", "or", "in", "??", "?:");
const unaryNative = fc.constantFrom(
  ..."exists sum count max min average string length uppercase trim join number floor abs round".split(" "),
  ..."sqrt boolean not keys merge reverse type zip base64encode encodeUrlComponent fromMillis".split(" "),
);
const binaryNative = fc.constantFrom(
  "append",
  "lookup",
  "substring",
  "substringBefore",
  "pad",
  "join",
  "power",
  "round",
  "string",
  "formatBase",
);
const root = fc.oneof(
  { weight: 6, arbitrary: fc.constant("input") },
  fc.constantFrom("item", "index", "steps.one", "steps.none", "run.id", "nope", "secrets.a", "$$.input"),
);

type Sources = { expression: string; path: string; predicate: string; relative: string; compare: string };
const { expression } = fc.letrec<Sources>((tie) => {
  const keep = fc.constantFrom("", "", "", "", "[]");
  const predicate = fc.option(tie("predicate"), { nil: "", freq: 2 });
  const step = fc.tuple(name, predicate, keep).map((parts) => parts.join(""));
  const steps = (first: fc.Arbitrary<string>) =>
    fc.tuple(first, predicate, fc.array(step, { maxLength: 3 })).map(([head, filter, rest]) => [`${head}${filter}`, ...rest].join("."));
  const composed = (operand: fc.Arbitrary<string>) => [
    fc.tuple(operand, operator, operand).map(([left, op, right]) => `(${left}) ${op} (${right})`),
    fc.tuple(operand, operator, operand).map(([left, op, right]) => `${left} ${op} ${right}`),
    operand.map((inner) => `-(${inner})`),
    fc.tuple(operand, operand, operand).map(([when, then, otherwise]) => `(${when}) ? ${then} : ${otherwise}`),
    fc.tuple(operand, operand).map(([when, then]) => `(${when}) ? (${then})`),
    fc.array(operand, { maxLength: 4 }).map((items) => `[${items.join(", ")}]`),
    fc.array(operand, { maxLength: 2 }).map((items) => `(${items.join("; ")})`),
    fc.tuple(unaryNative, operand).map(([native, inner]) => `$${native}(${inner})`),
    fc.tuple(binaryNative, operand, operand).map(([native, left, right]) => `$${native}(${left}, ${right})`),
    operand.map((inner) => `(${inner})[]`),
  ];
  return {
    path: steps(root),
    relative: fc.oneof(steps(name), fc.constant("$"), steps(fc.constant("$.a"))),
    compare: fc.oneof({ depthSize: "small" }, tie("relative"), literal, ...composed(fc.oneof(tie("relative"), literal))),
    predicate: fc.oneof(
      fc.integer({ min: -2, max: 2 }).map((index) => `[${index}]`),
      fc.constantFrom("[0.7]", "[-1.2]", "[[0, 1]]", "[true]", "[1/0]"),
      tie("compare").map((inner) => `[${inner}]`),
    ),
    expression: fc.oneof(
      { depthSize: "small", maxDepth: 4 },
      literal,
      tie("path"),
      tie("path"),
      ...composed(tie("expression")),
      fc
        .array(fc.tuple(fc.oneof(fc.constantFrom('"k"', '"__proto__"', '"2"', '"1"'), tie("path")), tie("expression")), { maxLength: 3 })
        .map((pairs) => `{${pairs.map(([key, value]) => `${key}: ${value}`).join(", ")}}`),
    ),
  };
});

type Outcome = { value: Json | undefined } | { failed: string };

async function outcomeOf(compute: () => unknown): Promise<Outcome> {
  try {
    const value = await compute();
    return { value: value === undefined ? undefined : plainJson(value) };
  } catch (error) {
    return { failed: typeof error === "object" && error !== null && "code" in error ? "failed" : String(error) };
  }
}

function plainOf(source: string) {
  try {
    return plainEvaluator(parseExpression(source).ast);
  } catch {
    // Not an expression after all: `x[] / 2` begins a regular expression.
    return undefined;
  }
}

const run = { id: "r", workflowId: "w", version: 1 };

describe("plain expressions", () => {
  test("closures give what JSONata gives", { timeout: 120_000 }, async () => {
    let compiled = 0;
    await fc.assert(
      fc.asyncProperty(expression, data, data, async (source, input, one) => {
        const roots: Roots = {
          input,
          context: { topic: one },
          item: one,
          index: 1,
          run,
          now: 0,
          seed: "",
          step: (id) => (id === "one" ? one : undefined),
        };
        if (plainOf(source) === undefined) return;
        compiled++;
        const context = structuredClone({ input, context: { topic: one }, item: one, index: 1, run, steps: { one } });
        const expected = await outcomeOf(() => jsonata(source).evaluate(context));
        expect(await outcomeOf(() => compileExpression(source).compute(roots))).toEqual(expected);
      }),
      { numRuns: 4_000 },
    );
    expect(compiled).toBeGreaterThan(2_000);
  });
});

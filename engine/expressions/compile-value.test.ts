import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { ExpressionError, compileValue, plainJson, type Roots } from "./index.ts";

const roots: Roots = {
  input: { a: 1, text: "hi", list: [1, 2], nothing: null, object: { x: true } },
  step: (id) => (id === "list" ? { text: "files" } : undefined),
  context: { topic: "brakes", deep: { x: [1, 2] } },
  run: { id: "r1", workflowId: "w1", version: 3 },
  now: Date.UTC(2026, 0, 2),
  seed: "s",
};

const compile = (value: Json) => compileValue(value, { nodeId: "node", field: "data" });
const evaluate = (value: Json) => compile(value).compiled.evaluate(roots);
const nested = (depth: number): Json => (depth === 0 ? "=input.a" : [nested(depth - 1)]);

describe("compileValue", () => {
  test("leaves a value without expressions as it is", () => {
    const { compiled, issues } = compile({ a: [1, "x", null], b: "\\=y" });
    expect(compiled).toMatchObject({ isLiteral: true, references: [] });
    expect(compiled.evaluate(roots)).toEqual({ a: [1, "x", null], b: "=y" });
    expect(issues).toEqual([]);
  });

  test("computes every string, and never a key", () => {
    const { compiled } = compile({ "=input.a": "=input.a", deep: [{ t: "{{steps.list.text}}!" }], plain: 1 });
    expect(compiled.isLiteral).toBe(false);
    expect(compiled.evaluate(roots)).toEqual({ "=input.a": 1, deep: [{ t: "files!" }], plain: 1 });
  });

  test("is synchronous where closures do, asynchronous where JSONata must", async () => {
    expect(evaluate("=input.list[0] + 1")).toBe(2);
    expect(evaluate("=$uppercase(input.text) & $count(input.list)")).toBe("HI2");
    const value = evaluate(["=input.a", "=$sum($map(input.list, $abs))", "=input.text", "{{ $split(input.text, '')[0] }}"]);
    expect(value).toBeInstanceOf(Promise);
    expect(await value).toEqual([1, 3, "hi", "h"]);
  });

  test("never evaluates results again", () => {
    const { compiled } = compile(["=input.text", "{{input.text}}"]);
    expect(compiled.evaluate({ ...roots, input: { text: "={{input}}" } })).toEqual(["={{input}}", "={{input}}"]);
  });

  test("templates write JSON for what is no text, and nothing for what is missing", () => {
    const template = "{{input.a}} {{input.list}} {{input.object}} {{input.nothing}} [{{input.missing}}]";
    expect(evaluate(template)).toBe('1 [1,2] {"x":true} null []');
    expect(evaluate("{{input.a}}")).toBe("1");
  });

  test("what finds nothing is left out of objects and null in arrays", () => {
    expect(evaluate("=input.missing")).toBeUndefined();
    expect(evaluate({ a: "=input.missing", b: "=input.nothing" })).toEqual({ b: null });
    expect(evaluate(["=input.missing", 1])).toEqual([null, 1]);
  });

  test("read the run's context", async () => {
    expect(evaluate("=context.topic")).toBe("brakes");
    expect(evaluate("{{ context.topic }}{{ context.none }}")).toBe("brakes");
    expect(evaluate("=context.deep.x[1]")).toBe(2);
    expect(await evaluate("=$map(context.deep.x, function($v){ $v & context.topic })")).toEqual(["1brakes", "2brakes"]);
    expect(await evaluate("=$keys(context)")).toEqual(["topic", "deep"]);
  });

  test("roots are the ones given; item and index only inside a map", () => {
    expect(evaluate("=[item, index, run.version, context.x, secrets.y, steps.none]")).toEqual([3]);
    expect(compile("={'i': item.n, 'k': index}").compiled.evaluate({ ...roots, item: { n: "x" }, index: 4 })).toEqual({ i: "x", k: 4 });
  });

  test.each<[string, number]>([
    ["=input.", 7],
    ["=1 +", 4],
    ["ab {{ 1 + }}", 10],
    ["=input.a $foo", 9],
    ["=$nope(1)", 1],
    ["=$eval('1')", 1],
    ["=|input|{}|", 1],
    ["=", 1],
    ["a {{ }}", 4],
    ["a {{", 2],
    ["=$match(input.text, /(?=a)/)", 20],
    ["='abc", 5],
  ])("reports %s with its position", async (text, position) => {
    const { compiled, issues } = compile({ field: text });
    expect(issues).toEqual([{ field: "data.field", code: "expression_invalid", position, message: expect.any(String) }]);
    await expect(async () => compiled.evaluate(roots)).rejects.toMatchObject({
      name: "ExpressionError",
      code: "expression_invalid",
      nodeId: "node",
      field: "data.field",
    });
  });

  test.each([
    ["longer than allowed", `=${"1+".repeat(LIMITS.expressionChars)}1`],
    ["nested too deeply", `=${"(".repeat(3_000)}1${")".repeat(3_000)}`],
    ["with thousands of terms", `=1${"+1".repeat(3_000)}`],
    ["doubling its own size", `=${"(".repeat(12)}1${"??1)".repeat(12)}`],
  ])("refuses an expression %s", (_what, text) => {
    expect(compile(text).issues).toMatchObject([{ code: "expression_invalid" }]);
  });

  test("follows values as deep as any may be, and refuses deeper ones", () => {
    expect(JSON.stringify(compile(nested(LIMITS.jsonDepth - 1)).compiled.evaluate(roots))).toContain("[1]");
    expect(compile(nested(LIMITS.jsonDepth + 1)).issues).toMatchObject([{ code: "expression_invalid" }]);
  });

  test("says where an evaluation failed", async () => {
    const failure = { code: "expression_failed", nodeId: "node", field: "data.q", position: 14 };
    await expect(async () => evaluate({ q: "ok {{ input.a + input.text }}" })).rejects.toMatchObject(failure);
    await expect(async () => evaluate("=$number(input.text)")).rejects.toBeInstanceOf(ExpressionError);
  });

  test.each(["=1/0", "=0/0", "=[1, 1/0]", "=$sum", "={'f': function($x) { $x }}", "=$string(1/0)"])(
    "refuses %s: not JSON",
    async (text) => {
      await expect(async () => evaluate(text)).rejects.toMatchObject({ code: "expression_failed" });
    },
  );

  test("makes -0 a 0", () => {
    expect(Object.is(evaluate("=-(0)"), 0)).toBe(true);
    expect(JSON.stringify(evaluate("=[-(0)]"))).toBe("[0]");
  });

  test("refuses results and texts over the limit, whichever way they came about", async () => {
    const big = "x".repeat(700_000);
    const from = (text: string) => async () =>
      compile(text).compiled.evaluate({ ...roots, input: { big, many: Array.from({ length: 9 }, () => big) } });
    for (const text of ["=input.many", "=$reverse(input.many)", "{{input.big}}{{input.big}}", "=input.big & input.big"]) {
      await expect(from(text)).rejects.toMatchObject({ code: "expression_too_large" });
    }
    await expect(from("=input.big")()).resolves.toHaveLength(700_000);
  });

  test("names of prototypes find nothing, and results pollute nothing", async () => {
    for (const name of ["__proto__", "constructor", "hasOwnProperty", "toString"]) {
      expect(evaluate(`=input.${name}`)).toBeUndefined();
      expect(await evaluate(`=$lookup(input, '${name}')`)).toBeUndefined();
    }
    const hostile = ["={'__proto__': {'role': 'admin'}}", "=$merge([{'__proto__': {'role': 'admin'}}])", "=input.h"];
    for (const text of hostile) {
      const input: Json = JSON.parse('{"h":{"__proto__":{"role":"admin"}}}');
      const value = await compile(text).compiled.evaluate({ ...roots, input });
      expect(JSON.stringify(value)).toBe('{"__proto__":{"role":"admin"}}');
      expect(value).not.toHaveProperty("role");
    }
    expect(await evaluate(JSON.parse('{"__proto__": "=input.a"}'))).toEqual(JSON.parse('{"__proto__": 1}'));
    expect({}).not.toHaveProperty("role");
  });
});

describe("plainJson", () => {
  test("copies what JSON can say and refuses the rest", () => {
    const list = Object.assign([1, { a: [null, true] }], { sequence: true });
    expect(plainJson(list)).toEqual([1, { a: [null, true] }]);
    expect(plainJson({ a: undefined })).toEqual({});
    for (const value of [undefined, [undefined], () => 1, Number.NaN, { _jsonata_lambda: true }])
      expect(() => plainJson(value)).toThrow("not JSON");
    expect(plainJson("é€😀")).toBe("é€😀");
    expect(() => plainJson("é".repeat(600_000))).toThrow("at most");
    expect(() => plainJson(nested(LIMITS.jsonDepth + 2))).toThrow("nested");
  });
});

import jsonata from "jsonata";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { compileValue, plainJson, type Roots } from "./index.ts";
import { LinearRegExp } from "./linear-regex.ts";
import { NATIVE_NAMES } from "./natives.ts";

const input: Json = {
  text: "a1 b22, c333",
  items: [
    { id: "x", price: 5, tags: ["p", "q"] },
    { id: "y", price: 1, tags: ["q"] },
    { id: "z", price: 3, tags: [] },
  ],
  empty: [],
  nested: [[1, 2], [3]],
};
const big = "a".repeat(300_000);
const roots: Roots = {
  input,
  context: {},
  step: () => undefined,
  run: { id: "r", workflowId: "w", version: 1 },
  now: Date.UTC(2026, 6, 5, 4),
  seed: "seed",
};

async function evaluate(expression: string, given: Partial<Roots> = {}) {
  const { compiled, issues } = compileValue(`=${expression}`, { nodeId: "n", field: "f" });
  expect(issues).toEqual([]);
  return compiled.evaluate({ ...roots, ...given });
}

describe("guarded JSONata", () => {
  test.each([
    "$map(input.items, function($i, $k) { $i.price * $k })",
    "$filter(input.items, function($i) { $i.price > 1 }).id",
    "$reduce(input.items.price, function($sum, $p) { $sum + $p })",
    "$single(input.items, function($i) { $i.id = 'y' }).price",
    "$sort(input.items, function($a, $b) { $a.price > $b.price }).id",
    "$sort(['b', 'a', 'c'])",
    "$sort([3, 1, 2, 1])",
    "$sort([1])",
    "input.items^(>price, id).id",
    "$distinct(input.items.tags)",
    "$distinct([1, '1', 1, {'a': 1}, {'a': 1}, [1], [1]])",
    "$distinct(input.items[0].tags[0])",
    "$distinct('x')",
    "$spread(input.items[0])",
    "$spread(input.items)",
    "$spread({'a': 1})",
    "$spread({})",
    "$spread('x')",
    "$spread([[{'a': 1}], 'x'])",
    "$each(input.items[0], function($v, $k) { $k & ':' & $string($v) })",
    "$sift(input.items[0], function($v) { $v = 5 })",
    "$zip([1, 2], ['a', 'b', 'c'])",
    "$keys(input.items)",
    "$merge(input.items)",
    "$append(input.items.id, 'end')",
    "$join(input.items.id, ', ')",
    "$split(input.text, /[ ,]+/)",
    "$split(input.text, ' ', 2)",
    "$match(input.text, /([a-z])([0-9]+)/)",
    "$replace(input.text, /([a-z])([0-9]+)/, '$2$1')",
    "$replace(input.text, /[0-9]+/, function($m) { '<' & $m.match & '>' }, 2)",
    "$contains(input.text, /B22/i)",
    "$contains(input.text, 'zz')",
    "$pad('x', -5, 'ab') & $pad('y', 3)",
    "$formatNumber(12345.678, '#,##0.00') & $formatNumber(0.5, '0%', {'percent': '%'})",
    "$formatInteger(2026, 'w') & $parseInteger('twelve', 'w')",
    "$fromMillis(0, '[Y0001]-[M01]-[D01] [FNn]')",
    "$toMillis('2026-07-05T04:00:00Z')",
    "$toMillis('5 Jul 2026', '[D] [MNn,3-3] [Y0001]')",
    "$substring('abcdef', 1, 3) ~> $uppercase()",
    "($half := $substring(?, 0, 2); $half('abc'))",
    "($twice := $uppercase ~> $lowercase; $twice('aBc'))",
    "($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(10))",
    "$map(['1', '2'], $number)",
    "input.items{id: price}",
    "input.empty{'a': 1}",
    "input.items.{'id': id, 'n': $count(tags)}",
    "input.items[tags = 'p'].id",
    "input.items@$i.items#$n.{'n': $n}",
    "input.**.price",
    "input.items.tags.{'tag': $, 'of': %.id}",
    "input.items.tags[%.price = 5]",
    "$map(input.items.id, function($id) { $id & input.items[0].price })",
    "input.items.price ~> $sum()",
    "[input.items[0].tags, input.items[1].tags].($ & '!')",
    "input.*[0]",
    "[1..5][$ % 2 = 1]",
    "input.items.price in [5, 1]",
    "$base64decode($base64encode('ü')) & $encodeUrlComponent('a b')",
    "$type(input) & $type(null) & $boolean(input.empty) & $not(true)",
    "$lookup(input.items, 'id')",
    "$assert(true, 'no')",
    "$round(2.5) & $power(2, 3) & $sqrt(9) & $abs(-1) & $floor(1.5) & $ceil(1.2)",
    "$max(input.items.price) - $min(input.items.price) + $average(input.items.price)",
    "$clone(input.items[0]).id",
    "$exists(input.none) or $count(input.none) = 0",
  ])("gives what JSONata gives for %s", async (expression) => {
    const found: unknown = await jsonata(expression).evaluate({ input: structuredClone(input) });
    expect(await evaluate(expression)).toEqual(found === undefined ? undefined : plainJson(found));
  });

  test("knows every function of JSONata", async () => {
    for (const name of NATIVE_NAMES) expect(await jsonata(`$${name}`).evaluate(null)).toHaveProperty("implementation");
  });

  test("$now and $millis are the event's time, and so is what a date leaves out", async () => {
    expect(await evaluate("$now() & ' ' & $now('[Y]/[M]')")).toBe("2026-07-05T04:00:00.000Z 2026/7");
    expect(await evaluate("$millis()")).toBe(roots.now);
    expect(await evaluate("$fromMillis($toMillis('06:30', '[H01]:[m01]'))")).toBe("2026-07-05T06:30:00.000Z");
    expect(await evaluate("$toMillis('2026-07-05T04:00:00')")).toBe(roots.now);
  });

  test("$random and $shuffle depend on the seed alone", async () => {
    const draw = async (seed: string) => JSON.stringify(await evaluate("[$random(), $random(), $shuffle([1..9])]", { seed }));
    expect(await draw("a")).toBe(await draw("a"));
    expect(await draw("a")).not.toBe(await draw("b"));
    expect(await evaluate("$sort($shuffle([1..9]))")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await evaluate("$shuffle([7])")).toEqual([7]);
  });

  test.each([
    "[1..1000000000]",
    "[1..200000]",
    "$pad('a', 100000000)",
    "$pad('a', 1000000, 'abc')",
    "$join($map([1..40], function() { $$.input.big }))",
    "$join($map([1..40], $string), $$.input.big)",
    "$replace(input.big, 'a', input.big)",
    "$string(input.many)",
    "$zip([1..60000], [1..60000])",
    "($f := function($x, $n) { $n = 0 ? $x : $f({'a': $x, 'b': $x}, $n - 1) }; $f('x', 40))",
    "($f := function($x, $n) { $n = 0 ? $x : $f([[$x], [$x]], $n - 1) }; $boolean($f('x', 60)))",
    "($f := function($x, $n) { $n = 0 ? $x : $f($x & $x, $n - 1) }; $length($f('x', 40)))",
    "($f := function($x, $n) { $n = 0 ? $x : $f({'a': $x}, $n - 1) }; $f(1, 100))",
  ])("stops %s before memory does", async (expression) => {
    const many = Array.from({ length: 9 }, () => big);
    await expect(evaluate(expression, { input: { big, many } })).rejects.toMatchObject({ code: "expression_too_large" });
  });

  test.each([
    "($f := function($n) { $f($n + 1) }; $f(1))",
    "($f := function($n) { 1 + $f($n + 1) }; $f(1))",
    "$map([1..90000], function($i) { $sum([1..1000]) })",
    "$sort([1..50000], function($a, $b) { $a < $b })",
  ])("stops %s when the time is over", async (expression) => {
    await expect(evaluate(expression)).rejects.toMatchObject({ code: expect.stringMatching(/expression_(timeout|too_large)/) });
  });

  test.each([
    "$formatNumber(1, '#,##0', {'grouping-separator': ''})",
    "$formatNumber(1 / 0, '0e0')",
    "$formatNumber(1, input.long)",
    "$fromMillis(0, '[Y,999999]')",
    "$toMillis('111111111111111111111111111111x', '[Y][Y][Y][Y][Y][Y][Y][Y]')",
    "$toMillis(input.long, '[Y]')",
    "$toMillis('1', '[Y]-[Y]-[Y]-[Y]-[Y]-[Y]-[Y]-[Y]-[Y]-[Y]-[Y]')",
    "$error('{{stack}}')",
    "$error()",
    "$assert(false)",
    "$sort([1, 'a'])",
    "input.long()",
    "$sort([2, 1], 'x')",
  ])("refuses %s", async (expression) => {
    await expect(evaluate(expression, { input: { long: "0".repeat(300) } })).rejects.toMatchObject({ code: "expression_failed" });
  });

  test("what $error says is not read as a template", async () => {
    await expect(evaluate("$error('{{stack}}')")).rejects.toMatchObject({ message: "{{stack}}", position: 1 });
  });

  test("data cannot pass for a function", async () => {
    const lambda = { _jsonata_lambda: true, arguments: [], body: { type: "string", value: "owned" } };
    await expect(evaluate("($f := input.f; $f())", { input: { f: lambda } })).rejects.toMatchObject({ code: "expression_failed" });
    await expect(evaluate("$map([1], input.f)", { input: { f: lambda } })).rejects.toMatchObject({ code: "expression_failed" });
  });

  test("leaves the data as it was", async () => {
    const before = structuredClone(input);
    const value = await evaluate("$append(input.empty{'a': 1}, input.items[])");
    expect(input).toEqual(before);
    expect(value).toHaveLength(4);
  });

  test("a predicate that closures would work on for too long has JSONata's time limit too", async () => {
    const items = Array.from({ length: 50_000 }, (_, n) => ({ n }));
    const terms = Array.from({ length: 100 }, (_, n) => `n = -${n}`).join(" or ");
    await expect(evaluate(`input.items[${terms}]`, { input: { items } })).rejects.toMatchObject({ code: "expression_timeout" });
    expect(await evaluate("input.items[n = 49999].n", { input: { items } })).toBe(49_999);
  });

  test("one and the same object is not itself in another part of the data: a restart would tell them apart", async () => {
    const shared = { a: 1 };
    expect(await evaluate("input.x in [input.y]", { input: { x: shared, y: shared } })).toBe(false);
    expect(await evaluate("input.x in [input.x]", { input: { x: shared } })).toBe(true);
  });

  test("evaluations at the same time do not use up one another's time", async () => {
    const slow = "$sum($map([1..200], function($i) { $i * 2 }))";
    const results = await Promise.all(Array.from({ length: 60 }, () => evaluate(slow)));
    expect(new Set(results)).toEqual(new Set([40_200]));
  });
});

describe("LinearRegExp", () => {
  test("finds what RegExp finds, match after match", () => {
    const pattern = fc.constantFrom(/a+b?/g, /(a)|(b)/g, /^x|y$/gm, /[^a]+/g, /\d+(\.\d+)?/g, /A./gi, /b{2,3}/g);
    const text = fc.string({ unit: fc.constantFrom("a", "b", "x", "y", "1", ".", "\n", "A"), maxLength: 20 });
    fc.assert(
      fc.property(pattern, text, (regex, searched) => {
        const [native, linear] = [new RegExp(regex), new LinearRegExp(regex)];
        for (let count = 0; count < 30; count++) {
          const expected = native.exec(searched);
          const found = linear.exec(searched);
          expect(found && { groups: [...found], index: found.index }).toEqual(expected && { groups: [...expected], index: expected.index });
          expect(linear.lastIndex).toBe(native.lastIndex);
          if (!expected) return;
        }
      }),
    );
  });

  test("refuses patterns that would need too much", () => {
    expect(() => new LinearRegExp(/((a{99}){99}){9}/)).toThrow();
    expect(() => new LinearRegExp(/(a)\1/)).toThrow();
  });
});

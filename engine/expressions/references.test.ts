import { describe, expect, test } from "vitest";
import { compileValue } from "./index.ts";

const referencesIn = (expression: string) => {
  const { compiled, issues } = compileValue(`=${expression}`, { nodeId: "n", field: "f" });
  expect(issues).toEqual([]);
  return compiled.references.map(({ root, name, position }) => `${root}${name === undefined ? "" : `.${name}`}@${position}`);
};

describe("references", () => {
  test.each<[string, string[]]>([
    ["input.a", ["input@1"]],
    ["`input`.a", ["input@1"]],
    ["steps.list.text", ["steps.list@1"]],
    ["steps.`list`", ["steps.list@1"]],
    ["steps", ["steps@1"]],
    ["steps.*", ["steps@1"]],
    ["steps[0].a", ["steps@1"]],
    ["$lookup(steps, input.x)", ["steps@9", "input@16"]],
    ["secrets.key & context.topic", ["secrets.key@1", "context.topic@15"]],
    ["input.items[price > 3].name", ["input@1"]],
    ["input.items[price > $$.input.limit].name", ["input@1", "input@24"]],
    ["input.items.{'n': name, 't': $$.run.id}", ["input@1", "run@33"]],
    ["input.items{name: price}", ["input@1"]],
    ["input.items^(>price)", ["input@1"]],
    ["{'a': input.a, 'b': [item, index]}", ["input@7", "item@22", "index@28"]],
    ["$map(input.items, function($i) { $i.price * steps.rate.value })", ["input@6", "steps.rate@45"]],
    ["(input; run.version)", ["input@2", "run@9"]],
    ["input.a ? item : foo", ["input@1", "item@11", "foo@18"]],
    ["($x := input; $x.steps)", ["input@8"]],
    ["$.input.a", ["input@3"]],
    ["$", ["$$@1"]],
    ["$$", ["$$@1"]],
    ["*", ["*@1"]],
    ["**.name", ["**@1"]],
    ["input ~> $count()", ["input@1"]],
    ["input.items@$i.items[$i.id = id]", ["input@1"]],
    ["nothing.here", ["nothing@1"]],
    ["(input).steps", ["input@2"]],
    ["-input", ["input@2"]],
    ["'input'", []],
  ])("of %s", (expression, expected) => {
    expect([...new Set(referencesIn(expression))]).toEqual(expected);
  });

  test("tell the field of each string, and the offset inside the whole string", () => {
    const { compiled } = compileValue({ a: [{ "b c": "x {{ input.q }} {{run.id}}" }], "d-e": "=item" }, { nodeId: "n", field: "data" });
    expect(compiled.references).toEqual([
      { root: "input", field: 'data.a[0]["b c"]', position: 5 },
      { root: "run", field: 'data.a[0]["b c"]', position: 18 },
      { root: "item", field: 'data["d-e"]', position: 1 },
    ]);
  });
});

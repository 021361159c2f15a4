import { describe, expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { workflow } from "#test/support/engine-driver.ts";
import { validate } from "./index.ts";

const start = { id: "start", type: "start" } as const;
const end = { id: "end", type: "end" } as const;
const transform = (id: string, output: Json, more: object = {}) => ({ id, type: "transform", data: { output }, ...more }) as const;
const problems = (definition: unknown) =>
  validate(definition).issues.map(({ path, message, nodeId, position }) => ({ path, message, nodeId, position }));

describe("validate", () => {
  test("accepts the smallest workflow", () => {
    expect(validate(workflow([start, end], ["start>end"]))).toMatchObject({ valid: true, issues: [] });
  });

  test.each<[string, unknown, string, RegExp]>([
    ["something that is no object", "text", "", /object/],
    ["another version", { version: 1 }, "version", /Expected version 2, got 1/],
    ["no version", { name: "x", nodes: [], edges: [] }, "version", /2/],
    ["an unknown type", workflow([start, { id: "x", type: "magic" } as never], []), "nodes[1].type", /magic|expected|Invalid/i],
    ["a bad id", workflow([start, transform("a-b", 1), end], ["start>end"]), "nodes[1].id", /letter/],
    [
      "a field that does not exist",
      workflow([start, { ...transform("a", 1), data: { output: 1, extra: 2 } } as never, end], []),
      "nodes[1].data",
      /extra/,
    ],
    ["no start", workflow([end], []), "nodes", /one start node, got 0/],
    ["two starts", workflow([start, { id: "again", type: "start" }, end], ["start>end"]), "nodes", /one start node, got 2/],
    ["no end", workflow([start, transform("a", 1)], ["start>a"]), "nodes", /at least one end/],
    [
      "an id used twice",
      workflow([start, transform("a", 1), transform("a", 2), end], ["start>a", "a>end"]),
      "nodes[2].id",
      /a is used before/,
    ],
    ["an edge from nowhere", workflow([start, end], ["start>end", "ghost>end"]), "edges[1].source", /no node ghost/],
    ["an edge to nowhere", workflow([start, end], ["start>end", "start>ghost"]), "edges[1].target", /no node ghost/],
    ["an edge to its own source", workflow([start, transform("a", 1), end], ["start>a", "a>end", "a>a"]), "edges[2].target", /own source/],
    ["an edge to the start", workflow([start, transform("a", 1), end], ["start>a", "a>end", "a>start"]), "edges[2].target", /start/],
    [
      "a handle the type does not have",
      workflow([start, transform("a", 1), end], ["start>a", "a:true>end"]),
      "edges[1].sourceHandle",
      /Expected success.*got true/,
    ],
    [
      "an error edge without the policy",
      workflow([start, transform("a", 1), end], ["start>a", "a:error>end"]),
      "edges[1].sourceHandle",
      /got error/,
    ],
    [
      "an edge from an end",
      workflow([start, end, transform("a", 1)], ["start>end", "end>a"]),
      "edges[1].sourceHandle",
      /No edge leaves end/,
    ],
    ["a node nobody leads to", workflow([start, end, transform("a", 1)], ["start>end"]), "nodes[2]", /way from the start to a/],
    [
      "a parent that does not exist",
      workflow([start, end, transform("a", 1, { parentId: "m" })], ["start>end"]),
      "nodes[2].parentId",
      /no node m/,
    ],
    [
      "a parent that is no map",
      workflow([start, end, transform("a", 1, { parentId: "start" })], ["start>end"]),
      "nodes[2].parentId",
      /start is of type start/,
    ],
    [
      "a map without content",
      workflow([start, { id: "m", type: "map", data: { items: [] } }, end], ["start>m", "m>end"]),
      "nodes[1]",
      /inside the map/,
    ],
    [
      "an end inside a map",
      workflow([start, { id: "m", type: "map", data: { items: [] } }, end, { id: "e2", type: "end", parentId: "m" }], ["start>m", "m>end"]),
      "nodes[3].type",
      /belongs at the top/,
    ],
    [
      "an edge over a map's border",
      workflow(
        [start, { id: "m", type: "map", data: { items: [] } }, transform("a", 1, { parentId: "m" }), end],
        ["start>m", "m>end", "a>end"],
      ),
      "edges[2].target",
      /border/,
    ],
    ["an unknown step", workflow([start, transform("a", "=steps.b"), end], ["start>a", "a>end"]), "nodes[1].data.output", /no step b/],
    [
      "a step that comes later",
      workflow([start, transform("a", "=steps.b"), transform("b", 1), end], ["start>a", "a>b", "b>end"]),
      "nodes[1].data.output",
      /b does not come before a/,
    ],
    [
      "an item outside a map",
      workflow([start, transform("a", "=item"), end], ["start>a", "a>end"]),
      "nodes[1].data.output",
      /only inside a map/,
    ],
    [
      "a secret where none may stand",
      workflow([start, transform("a", "=secrets.key"), end], ["start>a", "a>end"]),
      "nodes[1].data.output",
      /secret/,
    ],
    [
      "a name that means nothing",
      workflow([start, transform("a", "=inputs.x"), end], ["start>a", "a>end"]),
      "nodes[1].data.output",
      /inputs means nothing/,
    ],
    [
      "steps without a name",
      workflow([start, transform("a", "=$keys(steps)"), end], ["start>a", "a>end"]),
      "nodes[1].data.output",
      /Name the step/,
    ],
  ])("refuses %s", (_name, definition, path, message) => {
    expect(problems(definition)).toContainEqual(expect.objectContaining({ path, message: expect.stringMatching(message) }));
  });

  test("names a cycle as the walk along it", () => {
    const cyclic = workflow(
      [start, transform("a", 1), transform("b", 1), transform("c", 1), end],
      ["start>a", "a>b", "b>c", "c>a", "c>end"],
    );
    expect(problems(cyclic).map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/(a → b → c → a|b → c → a → b|c → a → b → c)/),
    );
  });

  test("says where in an expression the problem is", () => {
    const [problem] = problems(workflow([start, transform("a", { x: ["=1 + ", "{{ input.ok }}"] }), end], ["start>a", "a>end"]));
    expect(problem).toMatchObject({ path: "nodes[1].data.output.x[0]", nodeId: "a", position: expect.any(Number) });
  });

  test("finds every problem at once", () => {
    const many = workflow([start, transform("a", "=steps.ghost"), transform("b", "=1 +"), end], ["start>a", "a>b", "b>nowhere", "b>end"]);
    expect(problems(many).length).toBeGreaterThanOrEqual(3);
  });

  test("reads outwards from inside a map, but not into one", () => {
    const map = { id: "m", type: "map", data: { items: [1] } } as const;
    const inward = workflow(
      [start, transform("x", 1), map, transform("a", "=steps.x + item", { parentId: "m" }), end],
      ["start>x", "x>m", "m>end"],
    );
    expect(problems(inward)).toEqual([]);
    const outward = workflow(
      [start, map, transform("a", 1, { parentId: "m" }), transform("b", "=steps.a"), end],
      ["start>m", "m>b", "b>end"],
    );
    expect(problems(outward)[0]?.message).toMatch(/inside the map m/);
  });

  test("stands a document of 20,000 levels", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i += 1) deep = [deep];
    expect(problems({ version: 2, name: "x", nodes: deep, edges: [] })[0]?.message).toMatch(/nesting/);
  });

  test("a property called __proto__ changes nothing", () => {
    const definition: unknown = JSON.parse('{"version":2,"name":"x","nodes":[],"edges":[],"__proto__":{"valid":true}}');
    expect(validate(definition).valid).toBe(false);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

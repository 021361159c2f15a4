import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { validate } from "../validate.ts";
import { migrate } from "./migrate.ts";

const folder = new URL("golden/", import.meta.url);
const golden = readdirSync(folder).map((name) => ({ name, ...JSON.parse(readFileSync(new URL(name, folder), "utf8")) }));
const named = (wanted: string) => golden.find(({ name }) => name === `${wanted}.json`);

/**
 * Old definitions and what was once made of them. They are never changed: live runs follow that very definition, which is made
 * anew whenever it is loaded.
 */
describe("golden old definitions", () => {
  test.each(golden)("$name becomes what it always became", ({ old, definition, warnings }) => {
    expect(validate(old)).toEqual({ valid: true, definition, issues: [], warnings, isOld: true });
  });

  test("migrating changes nothing of what is given, and nothing that is of today", () => {
    for (const { old, definition } of golden) {
      const before = JSON.stringify(old);
      migrate(old);
      expect(JSON.stringify(old)).toBe(before);
      expect(migrate(definition)).toMatchObject({ definition, from: 2 });
    }
  });

  test("there is one for each dialect", () => {
    expect(golden.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["builder.json", "connected-nodes.json", "dependencies.json", "list.json", "nodes-and-edges.json"]),
    );
  });
});

describe("an old definition", () => {
  test.each([
    ["inside what the old API took", { name: "N", description: "D", definition: named("list").old }, { name: "N", description: "D" }],
    ["without a name", named("list").old, { name: "Imported workflow" }],
    ["whose own count of changes is beyond our versions", { ...named("builder").old, version: 12 }, { name: "Web lead routing" }],
  ])("%s", (_what, old, expected) => {
    expect(validate(old)).toMatchObject({ valid: true, isOld: true, definition: expected });
  });

  const node = (id: string, type = "process") => ({ id, type, data: {} });
  const edge = (source: string, target: string) => ({ source, target });
  test.each([
    [
      "a cycle",
      { nodes: [node("a"), node("b"), node("c")], edges: [edge("a", "b"), edge("b", "c"), edge("c", "b")] },
      "b, c wait for one another",
    ],
    ["an edge to nowhere", { nodes: [node("a")], edges: [edge("a", "gone")] }, "there is no step gone"],
    ["an id twice", { nodes: [node("a"), node("a")], edges: [] }, "a is used again"],
    ["nothing to execute", { steps: [] }, "there is none to execute"],
    ["an unknown dependency", { steps: { a: { type: "process", depends_on: "ghost" } } }, "there is no step ghost"],
    ["dependencies in a circle", { steps: { a: { depends_on: ["b"] }, b: { depends_on: ["a"] } } }, "a, b wait for one another"],
    [
      "connections in a circle",
      { steps: [node("a"), node("b")], connections: [edge("a", "b"), edge("b", "a")] },
      "a, b wait for one another",
    ],
  ])("with %s is refused, naming the steps", (_what, old, message) => {
    const checked = validate(old);
    expect(checked.valid).toBe(false);
    expect(checked.issues.map((issue) => issue.message).join(" ")).toContain(message);
  });

  test("is told from one of today that forgot its version, or comes from the future", () => {
    const start = { id: "start", type: "start" };
    const today = { name: "N", nodes: [start, { id: "t", type: "transform", data: { output: 1 } }], edges: [] };
    expect(validate(today)).toMatchObject({ valid: false, issues: [{ path: "version" }] });
    for (const version of [3, "2", 0]) {
      expect(validate({ ...today, version })).toMatchObject({ valid: false, issues: [{ code: "definition_version_unsupported" }] });
    }
  });

  test("holds no expressions, whatever its texts look like", () => {
    const config = { label: "=1+1", data: { "=k": "=$error('no')", t: "{{ input }}" }, source: "=x" };
    const old = {
      steps: { a: { type: "input", input: config }, b: { type: "output", input: { destination: "={{x}}" }, depends_on: "a" } },
    };
    const checked = validate(old);
    const [, a, b] = checked.valid ? checked.definition.nodes : [];
    expect(a?.data).toMatchObject({ output: { collected_data: { "=k": "\\=$error('no')", t: "\\{{ input }}" }, source: "\\=x" } });
    expect(b?.data).toMatchObject({ output: { delivery_status: "Delivered to =\\{{x}}", destination: "\\=\\{{x}}" } });
  });

  test("that would become too large is refused before it does", () => {
    const many = Array.from({ length: LIMITS.nodesPerWorkflow + 1 }, (_, i) => node(`s${i}`));
    const message = (old: object): string => validate(old).issues[0]?.message ?? "";
    expect(message({ steps: many })).toContain(`at most ${LIMITS.nodesPerWorkflow} steps`);
    expect(message({ steps: Object.fromEntries(many.map(({ id }) => [id, {}])) })).toContain(`at most ${LIMITS.nodesPerWorkflow} steps`);
    const greedy = (prompt: string, count: number) => ({ steps: Array.from({ length: count }, () => ({ type: "ai", prompt })) });
    expect(message(greedy("{a}".repeat(900_000), 2))).toMatch(/at most \d+ characters|Too big/);
    expect(message(greedy("{a}".repeat(100), 500))).toContain(`at most ${LIMITS.bodyBytes} characters`);
    const repeated = { type: "ai", input: { data: "x".repeat(1_000), prompt: "{a}".repeat(200) } };
    const dependencies = { steps: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`s${i}`, repeated])) };
    expect(message(dependencies)).toContain(`at most ${LIMITS.bodyBytes} characters`);
    expect(validate(greedy("Say {a} about {{b}}", 150)).issues).toEqual([]);
  });

  test("may name its steps as it likes", () => {
    const ids = ["1", "a b", "a-b", "ünï", "__proto__", "x".repeat(300), ""];
    const checked = validate({ nodes: ids.map((id) => node(id)), edges: ids.slice(1).map((id, i) => edge(ids[i] ?? "", id)) });
    expect(checked.issues).toEqual([]);
    const nodes = checked.valid ? checked.definition.nodes : [];
    expect(nodes.map(({ id }) => id.slice(0, 12))).toEqual(["start", "_1", "a_b", "a_b_2", "_n_", "__proto__", "xxxxxxxxxxxx", "_", "end"]);
  });
});

import { describe, expect, test } from "vitest";
import { Definition, type DefinitionInput } from "#contract/definition.ts";
import { triage } from "../testing/entities.ts";
import { NODE_SIZE, boundsOf, boxesFromPositions, boxesInARow, edgeFlow, inFlowOrder, parentsFirst, widthSideways } from "./to-flow.ts";
import { firstView } from "./view.ts";

type Position = { x: number; y: number };
function drawn(positions: Record<string, Position | undefined>): Definition {
  const nodes = Object.entries(positions).map(([id, position]) => ({
    id,
    type: id.startsWith("map") ? "map" : "transform",
    data: id.startsWith("map") ? { items: "=input" } : { output: 1 },
    ...(position ? { position } : {}),
    ...(id.startsWith("in") ? { parentId: "map" } : {}),
  }));
  return Definition.parse({ version: 2, name: "drawn", nodes, edges: [] } satisfies { nodes: unknown } & Omit<DefinitionInput, "nodes">);
}

describe("positions in the definition", () => {
  test("are used as they are", () => {
    const boxes = boxesFromPositions(drawn({ a: { x: 0, y: 0 }, b: { x: 300, y: 0 } }), false);
    expect(boxes?.get("b")).toEqual({ x: 300, y: 0, ...NODE_SIZE });
  });

  test("make a map as large as its steps", () => {
    const boxes = boxesFromPositions(drawn({ map: { x: 0, y: 0 }, in1: { x: 20, y: 60 }, in2: { x: 300, y: 160 } }), false);
    expect(boxes?.get("map")).toMatchObject({ width: 300 + NODE_SIZE.width + 18, height: 160 + NODE_SIZE.height + 18 });
  });

  test("are not used when one is missing, or two nodes would lie on each other", () => {
    expect(boxesFromPositions(drawn({ a: { x: 0, y: 0 }, b: undefined }), false)).toBeUndefined();
    expect(boxesFromPositions(drawn({ a: { x: 0, y: 0 }, b: { x: 200, y: 0 } }), false)).toBeUndefined();
    expect(boxesFromPositions(drawn({ map: { x: 0, y: 0 }, in1: { x: 0, y: 0 } }), false)).toBeUndefined();
  });
});

describe("order", () => {
  test("parents come before their children", () => {
    const ids = parentsFirst(triage).map((node) => node.id);
    expect(ids.indexOf("each")).toBeLessThan(ids.indexOf("summary"));
    expect(ids).toHaveLength(triage.nodes.length);
  });

  test("each step comes after what leads to it", () => {
    expect(inFlowOrder(triage, undefined).map((node) => node.id)).toEqual(["start", "list", "each", "any", "rank", "end"]);
    expect(inFlowOrder(triage, "each").map((node) => node.id)).toEqual(["summary", "check"]);
  });
});

test("a row is a plain arrangement of everything", () => {
  const boxes = boxesInARow(triage, false);
  expect(boxes.size).toBe(triage.nodes.length);
  expect(boxes.get("each")?.width).toBeGreaterThan(2 * NODE_SIZE.width);
  const bounds = boundsOf(triage, boxes);
  expect(bounds).toMatchObject({ x: 0, y: 0 });
  expect(bounds.width).toBeGreaterThan(widthSideways(triage, 48) - 1);
});

describe("an edge of a run", () => {
  const edge = { id: "e", source: "a", target: "b", sourceHandle: "true" };
  const states = { idle: () => "idle" as const, active: () => "active" as const, done: () => "done" as const };
  test.each([
    ["is idle before its source has ended", undefined, states.idle, "idle"],
    ["is not taken when the run went another way", "false", states.idle, "not_taken"],
    ["is active while its target works", "true", states.active, "active"],
    ["is taken when its target has ended", "true", states.done, "taken"],
    ["is idle until its target is reached", "true", states.idle, "idle"],
  ] as const)("%s", (_, handle, stateOf, flow) => {
    expect(edgeFlow(edge, () => handle, stateOf)).toBe(flow);
  });
});

describe("the first view", () => {
  test("shows a small graph whole, in the middle, never enlarged", () => {
    expect(firstView({ width: 200, height: 100 }, { width: 1_000, height: 500 }, "RIGHT")).toEqual({ x: 400, y: 200, zoom: 1 });
  });

  test("begins at the beginning of one that is too large to read whole", () => {
    expect(firstView({ width: 4_000, height: 200 }, { width: 1_000, height: 600 }, "RIGHT")).toMatchObject({ x: 28, zoom: 1 });
    const down = firstView({ width: 600, height: 4_000 }, { width: 1_000, height: 600 }, "DOWN");
    expect(down).toMatchObject({ x: 200, y: 28, zoom: 1 });
  });

  test("stays readable on a phone", () => {
    expect(firstView({ width: 900, height: 2_000 }, { width: 390, height: 500 }, "DOWN").zoom).toBe(0.5);
  });
});

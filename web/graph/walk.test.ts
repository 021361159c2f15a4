import { describe, expect, test } from "vitest";
import { triage } from "../testing/entities.ts";
import { roundedPath } from "./path.ts";
import { boxesInARow } from "./to-flow.ts";
import { absoluteBox, isArrow, walk } from "./walk.ts";

const graph = { definition: triage, boxes: boxesInARow(triage, false) };

describe("walking by arrow keys", () => {
  test("follows the flow", () => {
    expect(walk("start", "ArrowRight", graph)).toBe("list");
    expect(walk("list", "ArrowLeft", graph)).toBe("start");
    expect(walk("summary", "ArrowRight", graph)).toBe("check");
  });

  test("goes into a map", () => {
    expect(["summary", "check", "any"]).toContain(walk("each", "ArrowRight", graph));
    expect(walk("each", "ArrowDown", graph)).toBe("summary");
  });

  test("ends at the border", () => {
    expect(walk("start", "ArrowLeft", graph)).toBeUndefined();
    expect(walk("nobody", "ArrowLeft", graph)).toBeUndefined();
  });

  test("places children where they are seen", () => {
    const map = graph.boxes.get("each");
    const child = graph.boxes.get("summary");
    expect(absoluteBox("summary", triage, graph.boxes)).toMatchObject({
      x: (map?.x ?? 0) + (child?.x ?? 0),
      y: (map?.y ?? 0) + (child?.y ?? 0),
    });
  });

  test("knows its keys", () => {
    expect(isArrow("ArrowUp")).toBe(true);
    expect(isArrow("Enter")).toBe(false);
  });
});

describe("the path of an edge", () => {
  test("rounds its corners as far as there is room", () => {
    const points = [
      { x: 0, y: 0 },
      { x: 100, y: 0 },
      { x: 100, y: 10 },
    ];
    expect(roundedPath(points, 12)).toBe("M 0 0 L 88 0 Q 100 0 100 5 L 100 10");
  });

  test("is empty without points and straight between two", () => {
    expect(roundedPath([], 12)).toBe("");
    expect(
      roundedPath(
        [
          { x: 0, y: 0 },
          { x: 5, y: 5 },
        ],
        12,
      ),
    ).toBe("M 0 0 L 5 5");
    expect(
      roundedPath(
        [
          { x: 0, y: 0 },
          { x: 0, y: 0 },
          { x: 5, y: 0 },
        ],
        12,
      ),
    ).toContain("Q 0 0");
  });
});

import { readFileSync } from "node:fs";
import ELK from "elkjs/lib/elk.bundled.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Definition } from "#contract/definition.ts";
import { triage } from "../testing/entities.ts";
import { fromElk, toElk, type Direction } from "./layout.ts";
import { sizeOf, type Box, type Boxes, type Drawing } from "./to-flow.ts";
import { absoluteBox } from "./walk.ts";

const arrange = async (definition: Definition, direction: Direction): Promise<Drawing> =>
  fromElk(await new ELK().layout(toElk(definition, { direction, withStatus: true })));

const flagship = (): Definition => Definition.parse(parse(readFileSync("templates/service-desk-triage.yaml", "utf8")));

const overlap = (a: Box, b: Box): boolean => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const boxOf = (boxes: Boxes, id: string): Box => boxes.get(id) ?? { x: 0, y: 0, width: 0, height: 0 };

describe.each(["RIGHT", "DOWN"] as const)("arranged %s", (direction) => {
  test.each([
    ["the triage", triage],
    ["the flagship", flagship()],
  ])("%s has every node once, none on another", async (_, definition) => {
    const { boxes } = await arrange(definition, direction);
    expect([...boxes.keys()].sort()).toEqual(definition.nodes.map((node) => node.id).sort());
    for (const a of definition.nodes) {
      const siblings = definition.nodes.filter((b) => b.id !== a.id && b.parentId === a.parentId);
      expect(siblings.filter((b) => overlap(boxOf(boxes, a.id), boxOf(boxes, b.id)))).toEqual([]);
      expect(boxOf(boxes, a.id)).toMatchObject(a.type === "map" ? {} : sizeOf(a, true));
    }
  });

  test("edges run from their source to their target, inside a map too", async () => {
    const definition = flagship();
    const { boxes, routes } = await arrange(definition, direction);
    expect(routes.size).toBe(definition.edges.length);
    for (const edge of definition.edges) {
      const points = routes.get(edge.id)?.points ?? [];
      expect(touches(absoluteBox(edge.source, definition, boxes), points[0])).toBe(true);
      expect(touches(absoluteBox(edge.target, definition, boxes), points.at(-1))).toBe(true);
    }
  });
});

test("labelled edges have a place for their label", async () => {
  const { routes } = await arrange(triage, "DOWN");
  expect(routes.get("e5")?.label).toBeDefined();
  expect(routes.get("e1")?.label).toBeUndefined();
});

test("edges across a map's border are arranged, too", async () => {
  const crossed = { ...triage, edges: [...triage.edges, { id: "x", source: "list", target: "summary" }] };
  const { boxes } = await arrange(crossed, "RIGHT");
  expect(boxes.size).toBe(triage.nodes.length);
});

function touches(box: Box | undefined, point: { x: number; y: number } | undefined): boolean {
  if (!box || !point) return false;
  const near = 0.5;
  return point.x >= box.x - near && point.x <= box.x + box.width + near && point.y >= box.y - near && point.y <= box.y + box.height + near;
}

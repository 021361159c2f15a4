import { describe, expect, test } from "vitest";
import { triage } from "../testing/entities.ts";
import { JournalScript, START } from "../testing/journal-script.ts";
import { readHistories } from "./attempts.ts";
import { WHOLE, buildTimeline, expandable, pan, pathTo, visibleRows, zoom, type TimelineRow } from "./timeline.ts";

function timelineOf(script: JournalScript): TimelineRow[] {
  return buildTimeline({ histories: readHistories(script.events), edges: triage.edges, runStart: START });
}

const twoItems = (): JournalScript =>
  new JournalScript()
    .created("w", {})
    .wait(10)
    .started("list")
    .wait(20)
    .succeeded("list", ["a", "b"])
    .mapStarted("each", ["a", "b"])
    .wait(5)
    .started("summary", {}, { scope: "/each[0]" })
    .wait(5)
    .started("summary", {}, { scope: "/each[1]" })
    .wait(10)
    .succeeded("summary", "s", { scope: "/each[0]" });

describe("the timeline", () => {
  test("has a row per step, below a map one per item with its steps", () => {
    const [list, each] = timelineOf(twoItems());
    expect(list).toMatchObject({ id: "/list", level: 1, from: START + 10, to: START + 30, readyAt: START, children: [] });
    expect(each).toMatchObject({ id: "/each", to: null });
    expect(each?.children.map(({ id, kind, level, to }) => [id, kind, level, to === null ? null : to - START])).toEqual([
      ["/each[0]", "item", 2, 50],
      ["/each[1]", "item", 2, null],
    ]);
    expect(each?.children[0]?.children[0]).toMatchObject({ id: "/each[0]/summary", level: 3, readyAt: START + 30, from: START + 35 });
  });

  test("lets a step without a start begin when its predecessors ended", () => {
    const script = twoItems().wait(10).succeeded("check", {}, { scope: "/each[0]" });
    const check = timelineOf(script)[1]?.children[0]?.children[1];
    expect(check).toMatchObject({ id: "/each[0]/check", from: START + 50, to: START + 60 });
    expect(check?.segments[0]).toMatchObject({ from: START + 50, to: START + 60 });
  });

  test("shows the rows below those that are open", () => {
    const tree = timelineOf(twoItems());
    expect(visibleRows(tree, new Set()).map(({ id }) => id)).toEqual(["/list", "/each"]);
    expect(
      visibleRows(tree, new Set(["/each", "/each[1]"])).map(({ id, position, size, parentId }) => [id, position, size, parentId]),
    ).toEqual([
      ["/list", 1, 2, null],
      ["/each", 2, 2, null],
      ["/each[0]", 1, 2, "/each"],
      ["/each[1]", 2, 2, "/each"],
      ["/each[1]/summary", 1, 1, "/each[1]"],
    ]);
    expect(expandable(tree)).toEqual(["/each", "/each[0]", "/each[1]"]);
    expect(pathTo("/each[1]")).toEqual(["/each", "/each[1]"]);
  });

  test("opens 10,000 events quickly enough to stay linear", () => {
    const script = new JournalScript().mapStarted(
      "each",
      Array.from({ length: 5_000 }, (_, index) => index),
    );
    for (let index = 0; index < 5_000; index += 1) {
      const scope = `/each[${index}]`;
      script.started("summary", {}, { scope }).wait(1).succeeded("summary", "s", { scope });
    }
    const [each] = timelineOf(script);
    expect(each?.children).toHaveLength(5_000);
    expect(visibleRows([...timelineOf(script)], new Set(["/each"]))).toHaveLength(5_001);
  });
});

describe("the window of time", () => {
  test("zooms around its middle and never beyond the run", () => {
    expect(zoom(WHOLE, 2)).toEqual({ from: 0.25, to: 0.75 });
    expect(zoom({ from: 0.25, to: 0.75 }, 1 / 4)).toEqual(WHOLE);
    const closest = zoom({ from: 0.5, to: 0.5005 }, 100);
    expect(closest.to - closest.from).toBeCloseTo(0.001);
  });

  test("moves by shares of itself and stops at the ends", () => {
    expect(pan({ from: 0.25, to: 0.75 }, 0.25)).toEqual({ from: 0.375, to: 0.875 });
    expect(pan({ from: 0.25, to: 0.75 }, 5)).toEqual({ from: 0.5, to: 1 });
    expect(pan({ from: 0.25, to: 0.75 }, -5)).toEqual({ from: 0, to: 0.5 });
  });
});

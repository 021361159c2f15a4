import { describe, expect, test } from "vitest";
import { toQuery } from "../../api/runs.ts";
import { id } from "../../testing/entities.ts";
import { RunSearch, filterFromSearch, isFiltered, searchFromFilter } from "./run-filters.ts";
import { RunPageSearch } from "./run-tabs.ts";
import { previewOf } from "./item-preview.ts";
import { barOf, offsetAt, shareOf } from "./timeline-span.ts";

describe("filters in the address", () => {
  test("are read and written alike", () => {
    const search = {
      status: "running,failed",
      workflow: id(10),
      tag: "nightly",
      mode: "editor",
      dead: true,
      from: "2026-01-31",
      to: "2026-02-01",
    };
    const filter = filterFromSearch(RunSearch.parse(search));
    expect(filter).toEqual({
      status: ["running", "failed"],
      workflowId: id(10),
      tag: "nightly",
      mode: "editor",
      dead: true,
      from: "2026-01-31",
      to: "2026-02-01",
    });
    expect(searchFromFilter(filter)).toEqual(search);
  });

  test("stand in one order, so that equal filters are equal addresses", () => {
    expect(searchFromFilter({ status: ["failed", "running"] })).toEqual({ status: "running,failed" });
  });

  test("drop what cannot be understood", () => {
    const search = RunSearch.parse({ status: "exploded,failed", workflow: "x", tag: "", from: "2026-13-45", to: "soon" });
    expect(filterFromSearch(search)).toEqual({ status: ["failed"] });
    expect(filterFromSearch(RunSearch.parse({ tag: 7 }))).toEqual({ tag: "7" });
  });

  test("are empty when nothing is asked for", () => {
    expect(searchFromFilter({ tag: "", from: "", to: "" })).toEqual({});
    expect(isFiltered({})).toBe(false);
    expect(isFiltered({ tag: "a" })).toBe(true);
  });

  test("reach the server as moments, a day from its first to its last", () => {
    const query = toQuery({ status: ["failed", "running"], mode: "editor", dead: true, from: "2026-01-31", to: "2026-01-31" });
    expect(query).toMatchObject({ status: "failed,running", mode: "editor", dead: "true" });
    expect(Date.parse(query.to ?? "") - Date.parse(query.from ?? "")).toBe(24 * 60 * 60 * 1_000 - 1);
  });
});

test("the run page keeps tab and step in the address, and nothing else", () => {
  expect(RunPageSearch.parse({ tab: "timeline", step: "each[3]/read" })).toEqual({ tab: "timeline", step: "each[3]/read" });
  expect(RunPageSearch.parse({ tab: "secrets", step: "../x" })).toEqual({});
});

test("items are told in a few words", () => {
  expect(previewOf("letter.md")).toBe("letter.md");
  expect(previewOf({ x: 1, name: "Müller" })).toBe("Müller");
  expect(previewOf({ x: 1 })).toBe('{"x":1}');
  expect(previewOf([1, 2])).toBe("[1,2]");
  expect(previewOf(null)).toBe("null");
  expect(previewOf("x".repeat(200))).toHaveLength(81);
});

describe("the part of the run that is shown", () => {
  const span = { start: 1_000, end: 2_000, window: { from: 0.5, to: 1 } };

  test("has moments at shares", () => {
    expect(shareOf(span, 1_750)).toBe(0.5);
    expect(offsetAt(span, 0)).toBe(500);
    expect(offsetAt(span, 1)).toBe(1_000);
  });

  test("cuts bars at its edges and leaves out the others", () => {
    expect(barOf(span, 1_250, 1_750)).toEqual({ left: 0, width: 50 });
    expect(barOf(span, 1_750, 3_000)).toEqual({ left: 50, width: 50 });
    expect(barOf(span, 1_000, 1_200)).toBeUndefined();
  });
});

import { describe, expect, test } from "vitest";
import { compile, fold } from "#engine/index.ts";
import type { RunState } from "#engine/types.ts";
import { triage } from "../testing/entities.ts";
import { JournalScript } from "../testing/journal-script.ts";
import { firstStepOfItem, isInsideMap, itemsOf, overlays, shownStatus, stepsByNode } from "./overlay.ts";

const stateOf = (script: JournalScript): RunState => fold(compile(triage), script.events);
const begun = (): JournalScript =>
  new JournalScript()
    .created("w", { folder: "x" })
    .started("list")
    .wait(5)
    .succeeded("list", { names: ["a", "b", "c"] })
    .mapStarted("each", ["a", "b", "c"], { concurrency: 3 });

describe("the overlay", () => {
  test("shows a step's own state at the top", () => {
    const shown = overlays(triage, stepsByNode(stateOf(begun())), "");
    expect(shown.get("list")).toMatchObject({ status: "succeeded", attempt: 1 });
    expect(shown.get("rank")).toEqual({ status: "pending", attempt: 0 });
    expect(shown.get("each")).toMatchObject({ status: "running", items: { total: 3, done: 0, running: 3 } });
  });

  test("adds up the items inside a map", () => {
    const script = begun()
      .started("summary", {}, { scope: "/each[0]" })
      .succeeded("summary", "s", { scope: "/each[0]" })
      .started("summary", {}, { scope: "/each[1]" });
    const shown = overlays(triage, stepsByNode(stateOf(script)), "");
    expect(shown.get("summary")).toMatchObject({ status: "running", items: { total: 3, done: 1, running: 1, failed: 0 } });
    expect(shown.get("check")).toMatchObject({ status: "ready", items: { total: 3, done: 0 } });
  });

  test("singles out the items on the path of the chosen step", () => {
    const script = begun().started("summary", {}, { scope: "/each[0]" }).succeeded("summary", "s", { scope: "/each[0]" });
    const index = stepsByNode(stateOf(script));
    expect(overlays(triage, index, "/each[0]").get("summary")).toMatchObject({ status: "succeeded" });
    expect(overlays(triage, index, "/each[1]").get("summary")).toMatchObject({ status: "ready" });
  });

  test("is not over between two items", () => {
    const script = new JournalScript()
      .created("w", {})
      .started("list")
      .succeeded("list")
      .mapStarted("each", ["a", "b"], { concurrency: 1 });
    script.started("summary", {}, { scope: "/each[0]" }).succeeded("summary", "s", { scope: "/each[0]" });
    const shown = overlays(triage, stepsByNode(stateOf(script)), "");
    expect(shown.get("summary")).toMatchObject({ status: "running", items: { done: 1, total: 2 } });
  });
});

describe("the items of a map", () => {
  const script = begun()
    .started("summary", {}, { scope: "/each[0]" })
    .succeeded("summary", "s", { scope: "/each[0]" })
    .started("check", {}, { scope: "/each[0]" })
    .succeeded("check", {}, { scope: "/each[0]" })
    .started("summary", {}, { scope: "/each[1]" })
    .succeeded("summary", "s", { scope: "/each[1]" })
    .started("check", {}, { scope: "/each[1]" })
    .failed("check", {}, { scope: "/each[1]" });

  test("are named by what their steps come to", () => {
    const state = stateOf(script);
    const map = state.steps.get("/each");
    const items = map ? itemsOf(map, stepsByNode(state), triage) : [];
    expect(items.map(({ index, status }) => [index, status])).toEqual([
      [0, "succeeded"],
      [1, "failed"],
      [2, "cancelled"],
    ]);
    expect(items.map((item) => firstStepOfItem(item)?.nodeId)).toEqual(["check", "check", "summary"]);
  });

  test("are told from steps outside", () => {
    expect(isInsideMap(triage, "check")).toBe(true);
    expect(isInsideMap(triage, "list")).toBe(false);
  });
});

test("a step of a finished run that had not ended never will", () => {
  expect(shownStatus("running", "failed")).toBe("cancelled");
  expect(shownStatus("ready", "cancelled")).toBe("pending");
  expect(shownStatus("succeeded", "failed")).toBe("succeeded");
  expect(shownStatus("running", "running")).toBe("running");
});

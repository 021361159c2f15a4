import { describe, expect, test } from "vitest";
import { Definition } from "#contract/definition.ts";
import { compile, fold } from "#engine/index.ts";
import type { RunState } from "#engine/types.ts";
import { triage } from "../testing/entities.ts";
import { JournalScript } from "../testing/journal-script.ts";
import { containersOf, firstStepOfItem, itemsOf, overlays, scopeWithin, shownStatus, stepsByNode } from "./overlay.ts";

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
});

const nested = Definition.parse({
  version: 2,
  name: "nested",
  nodes: [
    { id: "start", type: "start" },
    { id: "again", type: "loop", data: { while: "=index < 2" } },
    { id: "each", type: "map", parentId: "again", data: { items: "=[1, 2]", concurrency: 2 } },
    { id: "one", type: "transform", parentId: "each", data: { output: "=item" } },
    { id: "note", type: "note", parentId: "each" },
    {
      id: "crew",
      type: "team",
      data: {
        mode: "debate",
        members: [
          { name: "ada", agent: "a" },
          { name: "bob", agent: "b" },
        ],
      },
    },
  ],
  edges: [
    { id: "e1", source: "start", target: "again" },
    { id: "e2", source: "again", target: "crew" },
  ],
});

describe("a map in a loop, and a team", () => {
  const script = new JournalScript()
    .created("w", {})
    .append({ kind: "round_started", body: { index: 0 } }, { nodeId: "again" })
    .mapStarted("each", [1, 2], { scope: "/again[0]" })
    .succeeded("one", 1, { scope: "/again[0]/each[0]" })
    .succeeded("one", 2, { scope: "/again[0]/each[1]" })
    .succeeded("each", [1, 2], { scope: "/again[0]" })
    .append({ kind: "round_started", body: { index: 1 } }, { nodeId: "again" })
    .mapStarted("each", [3], { scope: "/again[1]" })
    .succeeded("one", 3, { scope: "/again[1]/each[0]" });
  const state = fold(compile(nested), script.events);
  const index = stepsByNode(state);

  test("add up all that is in the chosen round", () => {
    expect(overlays(nested, index, "").get("again")).toMatchObject({ status: "running", items: { unit: "round", total: 2, done: 1 } });
    expect(overlays(nested, index, "").get("one")).toMatchObject({ items: { unit: "item", total: 3, done: 3 } });
    expect(overlays(nested, index, "/again[0]").get("one")).toMatchObject({ status: "succeeded", items: { total: 2, done: 2 } });
    expect(overlays(nested, index, "/again[0]").get("each")).toMatchObject({ status: "succeeded", items: { total: 2 } });
    expect(overlays(nested, index, "/again[1]/each[0]").get("one")).toEqual({
      status: "succeeded",
      attempt: 1,
      endedAt: expect.any(String),
    });
    expect(containersOf(nested, "one")).toEqual(["again", "each"]);
    expect(scopeWithin("/again[1]/each[0]", ["again"])).toBe("/again[1]");
    expect(scopeWithin("/crew[1]", ["again"])).toBe("");
  });

  test("have rounds and turns to choose from", () => {
    const rounds = index.get("again")?.flatMap((step) => itemsOf(step, index, nested)) ?? [];
    expect(rounds.map(({ scope, status }) => [scope, status])).toEqual([
      ["/again[0]", "succeeded"],
      ["/again[1]", "running"],
    ]);
    const debate = new JournalScript()
      .created("w", {})
      .append({ kind: "round_started", body: { index: 0 } }, { nodeId: "again" })
      .mapStarted("each", [], { scope: "/again[0]" })
      .succeeded("each", [], { scope: "/again[0]" })
      .succeeded("again", [])
      .append(
        {
          kind: "turns_started",
          body: {
            turns: [
              { member: "ada", input: "Hi" },
              { member: "bob", input: "Hi" },
            ],
          },
        },
        { nodeId: "crew" },
      )
      .started("crew.ada", {}, { scope: "/crew[0]" });
    const steps = stepsByNode(fold(compile(nested), debate.events));
    const turns = steps.get("crew")?.flatMap((step) => itemsOf(step, steps, nested)) ?? [];
    expect(turns.map(({ member, firstNode, status, value }) => [member, firstNode, status, value])).toEqual([
      ["ada", "crew.ada", "running", "Hi"],
      ["bob", "crew.bob", "ready", "Hi"],
    ]);
    expect(overlays(nested, steps, "").get("crew")).toMatchObject({ items: { unit: "turn", total: 2, running: 2 } });
  });
});

test("a step of a finished run that had not ended never will", () => {
  expect(shownStatus("running", "failed")).toBe("cancelled");
  expect(shownStatus("ready", "cancelled")).toBe("pending");
  expect(shownStatus("succeeded", "failed")).toBe("succeeded");
  expect(shownStatus("running", "running")).toBe("running");
});

import { describe, expect, test } from "vitest";
import { JournalScript, START } from "../testing/journal-script.ts";
import { historyKey, readHistories } from "./attempts.ts";

const segmentsOf = (script: JournalScript, nodeId: string, scope = "") =>
  readHistories(script.events)
    .get(historyKey(scope, nodeId))
    ?.segments.map(({ kind, from, to, outcome }) => [kind, from - START, to === null ? null : to - START, outcome]);

describe("what a step did", () => {
  test("is one segment from its start to its end", () => {
    const script = new JournalScript().wait(10).started("list").wait(30).succeeded("list");
    expect(segmentsOf(script, "list")).toEqual([["executing", 10, 40, "succeeded"]]);
  });

  test("has a pause between two attempts", () => {
    const script = new JournalScript()
      .started("list")
      .wait(20)
      .failed("list", { retryInMs: 100 })
      .wait(100)
      .started("list", {}, { attempt: 2 })
      .wait(5)
      .succeeded("list", null, { attempt: 2 });
    expect(segmentsOf(script, "list")).toEqual([
      ["executing", 0, 20, "failed"],
      ["backoff", 20, 120, "done"],
      ["executing", 120, 125, "succeeded"],
    ]);
  });

  test("waits for a run of its own, and says which", () => {
    const script = new JournalScript()
      .started("list")
      .wait(5)
      .append({ kind: "step_waiting", body: { childRunId: "child" } }, { nodeId: "list" })
      .wait(50)
      .succeeded("list");
    expect(segmentsOf(script, "list")).toEqual([
      ["executing", 0, 5, "done"],
      ["waiting", 5, 55, "succeeded"],
    ]);
    expect(readHistories(script.events).get(historyKey("", "list"))).toMatchObject({ childRunId: "child", ended: true });
  });

  test("of a loop is one segment over all its rounds, and none for a breakpoint", () => {
    const round = (index: number) => ({ kind: "round_started" as const, body: { index } });
    const script = new JournalScript()
      .append({ kind: "breakpoint_hit", body: {} }, { nodeId: "again" })
      .wait(10)
      .append(round(0), { nodeId: "again" })
      .wait(10)
      .append(round(1), { nodeId: "again" })
      .wait(10)
      .succeeded("again");
    expect(segmentsOf(script, "again")).toEqual([["executing", 10, 30, "succeeded"]]);
  });

  test("stays open while it is under way", () => {
    expect(segmentsOf(new JournalScript().started("list"), "list")).toEqual([["executing", 0, null, "open"]]);
  });

  test("waits for an answer when its effect is in doubt", () => {
    const script = new JournalScript().started("list").wait(5).parked("list").wait(50);
    expect(segmentsOf(script, "list")).toEqual([
      ["executing", 0, 5, "in_doubt"],
      ["waiting", 5, null, "open"],
    ]);
    script.append({ kind: "step_answered", body: { answer: "run_again", by: "user:1", inboxId: "i" } }, { nodeId: "list" });
    script
      .started("list")
      .wait(1)
      .append({ kind: "step_cancelled", body: { outcome: "cancelled", reason: "asked" } }, { nodeId: "list" });
    expect(segmentsOf(script, "list")?.slice(1)).toEqual([
      ["waiting", 5, 55, "done"],
      ["executing", 55, 56, "cancelled"],
    ]);
  });

  test("is a moment when only its result is known", () => {
    const script = new JournalScript().wait(7).succeeded("names", []);
    expect(segmentsOf(script, "names")).toEqual([["executing", 7, 7, "succeeded"]]);
    expect(readHistories(script.events).get("/names")).toMatchObject({ hasStart: false, ended: true });
  });

  test("is told apart by item", () => {
    const script = new JournalScript()
      .mapStarted("each", ["a", "b"])
      .started("read", {}, { scope: "/each[0]" })
      .started("read", {}, { scope: "/each[1]" });
    expect([...readHistories(script.events).keys()]).toEqual(["/each", "/each[0]/read", "/each[1]/read"]);
  });
});

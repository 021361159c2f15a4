import { describe, expect, test } from "vitest";
import { rankItems } from "./rank.ts";

const item = (id: string, more: object = {}) => ({ id, label: "offer", summary: "A car.", issues: [], dates: [], ...more });

describe("the ranking", () => {
  test("puts danger before complaints before offers, and says why", () => {
    const ranked = rankItems([
      item("offer"),
      item("complaint", { label: "complaint", summary: "The noise came back; I expect a refund." }),
      item("brakes", { label: "safety", summary: "The brake pedal went to the floor." }),
    ]);
    expect(ranked.map(({ id }) => id)).toEqual(["brakes", "complaint", "offer"]);
    expect(ranked[1]?.reasons).toEqual(["complaint (+30)", "money back is asked for (+8)", "not for the first time (+8)"]);
  });

  test("wrong facts and near dates count, within bounds", () => {
    const issues = Array.from({ length: 9 }, () => ({ kind: "total_mismatch", message: "" }));
    const [ranked] = rankItems([item("a", { issues, dates: [{ iso: "2026-10-05" }, { iso: null }, { iso: "2026-10-01" }] })]);
    expect(ranked).toMatchObject({
      score: 5 + 18 + 6,
      reasons: ["offer (+5)", "9 facts to check (+18)", "a date follows within 7 days (+6)"],
    });
  });

  test("equal scores go by id, and nothing pressing is said so", () => {
    const ranked = rankItems([item("b", { label: "thanks" }), item("a", { label: "thanks" })]);
    expect(ranked.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(ranked[0]?.reasons).toEqual(["nothing pressing"]);
  });
});

import { describe, expect, test } from "vitest";
import { composeReport } from "./compose.ts";

const finding = (id: string, more: object = {}) => ({
  id,
  summary: "The car | was\n# late.",
  label: "complaint",
  amounts: [{ raw: "EUR 10", value: 10, currency: "EUR" }],
  dates: [{ raw: "30.02.2026", iso: null }],
  issues: [],
  ...more,
});

describe("the report", () => {
  const input = {
    findings: [finding("a.txt"), finding("b|c.txt", { issues: [{ kind: "x", message: "There is no 30.02.2026." }] })],
    ranking: {
      ranking: [
        { id: "b|c.txt", score: 40, reasons: ["complaint (+30)"] },
        { id: "a.txt", score: 30, reasons: ["complaint (+30)"] },
        { id: "unknown", score: 1, reasons: [] },
      ],
    },
  };

  test("puts the most urgent first and counts documents with issues", () => {
    const { report, mostUrgent, withIssues } = composeReport(input);
    expect(mostUrgent).toBe("b|c.txt");
    expect(withIssues).toBe(1);
    expect(report.indexOf("b|c.txt")).toBeLessThan(report.indexOf("## a.txt"));
    expect(report).toContain("- **Check:** There is no 30.02.2026.");
    expect(report).toContain("Amounts: EUR 10.00");
  });

  test("text of documents stays text", () => {
    const { report } = composeReport(input);
    expect(report).toContain("| 1 | b\\|c.txt |");
    expect(report).not.toContain("\n# late.");
  });

  test("is the same for the same findings", () => expect(composeReport(input)).toEqual(composeReport(input)));

  test("of nothing says so", () => {
    expect(composeReport({ findings: [], ranking: { ranking: [] } })).toMatchObject({ mostUrgent: null, withIssues: 0 });
  });
});

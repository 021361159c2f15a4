import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findAmounts, parseNumber } from "./amounts.ts";
import { checkFacts } from "./check.ts";
import { findDates } from "./dates.ts";

const sample = (name: string): string => readFileSync(new URL(`../../documents/${name}`, import.meta.url), "utf8");
const kinds = (text: string): string[] => checkFacts(text).issues.map(({ kind }) => kind);

describe("amounts", () => {
  test.each([
    ["1.234,50", 1234.5],
    ["1,234.50", 1234.5],
    ["1'234.50", 1234.5],
    ["1 234,5", 1234.5],
    ["93.420", 93420],
    ["-850", -850],
    ["0,12", 0.12],
  ])("reads %s", (text, value) => expect(parseNumber(text)).toBe(value));

  test("finds them before and after their currency, in columns and not in dates", () => {
    const text =
      "Pay EUR 1.284,00 or $45 or 197.80 EUR by 23 September 2026    EUR 642.75\n\n| Part | EUR |\n|---|---|\n| Filter | 16.90 |\n";
    expect(findAmounts(text)).toEqual([
      { raw: "EUR 1.284,00", value: 1284, currency: "EUR" },
      { raw: "$45", value: 45, currency: "USD" },
      { raw: "197.80 EUR", value: 197.8, currency: "EUR" },
      { raw: "EUR 642.75", value: 642.75, currency: "EUR" },
      { raw: "16.90", value: 16.9, currency: "EUR" },
    ]);
  });

  test("takes a minus before the currency for a minus and a list's dash for a dash", () => {
    expect(findAmounts("Discount   - EUR 6,200.00")[0]?.value).toBe(-6200);
    expect(findAmounts("- EUR 25.00 for supplies")[0]?.value).toBe(25);
  });
});

describe("dates", () => {
  test.each([
    ["2026-03-12", "2026-03-12"],
    ["12 March 2026", "2026-03-12"],
    ["March 12th, 2026", "2026-03-12"],
    ["12. März 2026", "2026-03-12"],
    ["Oct. 19, 2026", "2026-10-19"],
    ["12.03.2026", "2026-03-12"],
    ["03/12/2026", "2026-03-12"],
    ["30/10/2026", "2026-10-30"],
    ["30 February 2026", null],
    ["2026-02-30", null],
    ["29 February 2028", "2028-02-29"],
  ])("reads %s", (text, iso) => expect(findDates(`It was on ${text} there.`).map((date) => date.iso)).toEqual([iso]));

  test("one date shows for all of a document that the day comes first", () => {
    expect(findDates("On 11/08/2026 and on 28/09/2026").map(({ iso }) => iso)).toEqual(["2026-08-11", "2026-09-28"]);
    expect(findDates("On 11/08/2026 for £20").map(({ iso }) => iso)).toEqual(["2026-08-11"]);
  });
});

describe("what is wrong", () => {
  test("a total that is not the sum of its rows", () => {
    const text = (total: string): string => `- Labour: EUR 100.00\n- Parts: EUR 50.00\n- VAT 20 %: EUR 30.00\n- Total: EUR ${total}\n`;
    expect(kinds(text("180.00"))).toEqual([]);
    expect(checkFacts(text("190.00")).issues).toEqual([
      { kind: "total_mismatch", message: "Total is stated as EUR 190.00, but the rows add up to EUR 180.00." },
    ]);
  });

  test("a row that is not quantity times price, and a tax that is not its rate", () => {
    const text =
      "| Part | Qty | Price | EUR |\n|---|---|---|---|\n| Filter | 2 | 10.00 | 25.00 |\n| Oil | 1 | 5.00 | 5.00 |\n| Subtotal | | | 30.00 |\n| VAT 10 % | | | 4.00 |\n";
    expect(kinds(text)).toEqual(["line_mismatch", "tax_mismatch"]);
  });

  test("a document that is due before it was issued", () => {
    expect(kinds("Invoice date: 2026-03-12. Payment is due by 2026-03-01.")).toEqual(["due_before_issued"]);
    expect(kinds("Invoice date: 2026-03-12. Payment is due by 2026-03-26.")).toEqual([]);
  });

  test("prose and unrelated tables are left alone", () => {
    expect(kinds("We spent EUR 10.00 and EUR 20.00.\nThe total was EUR 99.00, as you know.")).toEqual([]);
    expect(kinds(sample("financing-offer-tessel.md"))).toEqual([]);
  });

  test("of the sample letters, exactly the planted errors are found", () => {
    expect(kinds(sample("insurance-letter-claim.md"))).toEqual(["total_mismatch"]);
    expect(kinds(sample("parts-order-7730.txt"))).toEqual(["total_mismatch"]);
    expect(kinds(sample("lease-return-statement.md"))).toEqual(["impossible_date"]);
    for (const clean of [
      "service-invoice-2291.md",
      "warranty-claim-heater.md",
      "courtesy-car-damage.txt",
      "supplier-reminder-overdue.txt",
      "trade-in-valuation.md",
    ]) {
      expect(kinds(sample(clean))).toEqual([]);
    }
  });

  test("every sample letter is read without trouble, however its numbers are written", () => {
    expect(findAmounts(sample("supplier-reminder-overdue.txt")).map(({ value }) => value)).toEqual([
      1284, 642.75, 89.9, 2016.65, 25, 2041.65,
    ]);
    expect(findAmounts(sample("trade-in-valuation.md")).map(({ value }) => value)).toEqual([14200, -850, -210, -90, 13050]);
  });
});

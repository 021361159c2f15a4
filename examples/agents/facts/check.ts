import { findAmounts, type Amount } from "./amounts.ts";
import { checkDates, findDates } from "./dates.ts";
import type { Issue } from "./issue.ts";
import { checkTotals } from "./totals.ts";

export type Facts = { amounts: Amount[]; dates: { raw: string; iso: string | null }[]; issues: Issue[] };

/** The amounts and dates of a document, and what is wrong with them. */
export function checkFacts(text: string): Facts {
  const dates = findDates(text);
  return {
    amounts: findAmounts(text),
    dates: dates.map(({ raw, iso }) => ({ raw, iso })),
    issues: [...checkTotals(text), ...checkDates(text, dates)],
  };
}

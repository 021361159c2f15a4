import { currencyOf, formatAmount, inlineAmounts, parseNumber } from "./amounts.ts";
import type { Issue } from "./issue.ts";
import { readRows, type Row } from "./table.ts";

type Entry = { label: string; value: number; currency: string; isSum: boolean };

const SUM =
  /\b(?:sub-?total|total|sum|net|gross|amount (?:due|payable|to be paid)|balance|price of the|your price|gesamt\w*|summe|netto|brutto|endbetrag)\b/i;
const REDUCES = /^(?:less|minus)\b|\b(?:discount|rebate|bonus|credit|deduct\w*|already paid|prepaid|deposit|rabatt|abzüglich)\b/i;
const TAX = /\b(?:vat|sales tax|tax|mwst|ust)\b/i;
const QUANTITY = /^\d{1,4}(?:[.,]\d{1,2})?\s*(?:h|hrs?|hours?|l|kg|x|pcs?\.?)?$/i;
const PLAIN_AMOUNT = /^[-–]?[\d.,']*\d[.,]\d{2}$/;
const CENT = 0.011;

/** Where rows do not add up to the sum that the document states below them. Prose is left alone: only tables and lists count. */
export function checkTotals(text: string): Issue[] {
  const fallback = currencyOf(text) ?? "";
  const issues: Issue[] = [];
  let entries: Entry[] = [];
  for (const row of readRows(text)) {
    const entry = row && entryOf(row, fallback);
    if (row === null) entries = [];
    if (!row || !entry) continue;
    issues.push(...(entry.isSum ? checkSum(entries, entry) : [...checkProduct(row, entry), ...checkTax(entries, entry)]));
    entries.push(entry);
  }
  return issues;
}

/** The amount of a cell that is nothing else. */
function amountOf(text: string): number | undefined {
  if (PLAIN_AMOUNT.test(text)) return parseNumber(text);
  const [amount, ...more] = inlineAmounts(` ${text}`);
  const isAll = amount !== undefined && more.length === 0 && amount.raw.replace(/\s/g, "").length === text.replace(/\s/g, "").length;
  // The dash of ` - EUR 5.00` was taken for a list's.
  return isAll ? (/^[-–]/.test(text) ? -Math.abs(amount.value) : amount.value) : undefined;
}

function entryOf({ cells }: Row, fallback: string): Entry | undefined {
  const last = cells.findLast(({ text }) => text !== "");
  const value = last && amountOf(last.text);
  if (last === undefined || value === undefined) return undefined;
  const label = cells.find(({ text }) => /\p{L}{2,}/u.test(text) && amountOf(text) === undefined)?.text ?? "";
  const isSum = SUM.test(label);
  const currency = currencyOf(last.text) ?? currencyOf(last.heading) ?? fallback;
  return { label, value: !isSum && REDUCES.test(label) ? -Math.abs(value) : value, currency, isSum };
}

/** Quantity × unit price = amount, in rows that show all three. The column of positions is a candidate for the quantity, too. */
function checkProduct({ cells }: Row, { label, value, currency }: Entry): Issue[] {
  const amounts = cells.flatMap(({ text }) => amountOf(text) ?? []);
  const unit = amounts.at(-2);
  const quantities = cells
    .filter(({ text }) => QUANTITY.test(text) && !PLAIN_AMOUNT.test(text))
    .map(({ text }) => parseNumber(text.replace(/[^\d.,]/g, "")));
  const quantity = quantities.at(-1);
  if (unit === undefined || quantity === undefined) return [];
  // Unit prices are rounded themselves.
  if (quantities.some((each) => Math.abs(each * unit - value) < CENT + each * 0.005)) return [];
  const product = formatAmount(quantity * unit, currency);
  const message = `${label}: ${quantity} × ${formatAmount(unit, currency)} is ${product}, not ${formatAmount(value, currency)}.`;
  return [{ kind: "line_mismatch", message }];
}

/** `VAT 19 %` of the sum above it. */
function checkTax(entries: readonly Entry[], { label, value, currency }: Entry): Issue[] {
  const rate = /(\d{1,2}(?:[.,]\d{1,2})?)\s?%/.exec(label)?.[1];
  const base = entries.at(-1);
  if (!TAX.test(label) || rate === undefined || !base?.isSum) return [];
  const expected = (base.value * parseNumber(rate)) / 100;
  if (Math.abs(expected - value) < 0.02) return [];
  const message = `${label} of ${formatAmount(base.value, currency)} is ${formatAmount(expected, currency)}, not ${formatAmount(value, currency)}.`;
  return [{ kind: "tax_mismatch", message }];
}

/**
 * A sum is explained by the rows above it: by all of them or the last few, by the last sum and what follows it, or by the
 * last sum and one earlier row. Documents differ too much to say which; an amount that none of these gives is wrong.
 */
function checkSum(entries: readonly Entry[], stated: Entry): Issue[] {
  const lastSum = entries.findLastIndex(({ isSum }) => isSum);
  const since = entries.slice(lastSum + 1);
  const base = entries[lastSum];
  const total = (items: readonly Entry[]): number => items.reduce((sum, { value }) => sum + value, 0);
  const items = entries.filter(({ isSum }) => !isSum);
  const parts = base ? [base, ...since] : since;
  if (parts.length < 2) return [];
  const explanations = [
    total(parts),
    ...items.map((_, i) => total(items.slice(i))),
    ...(base ? items.map(({ value }) => base.value + value) : []),
  ];
  if (explanations.some((value) => Math.abs(value - stated.value) < CENT)) return [];
  const { currency } = stated;
  const message = `${stated.label || "The sum"} is stated as ${formatAmount(stated.value, currency)}, but the rows add up to ${formatAmount(total(parts), currency)}.`;
  return [{ kind: "total_mismatch", message }];
}

import { tableCells } from "./table.ts";

export type Amount = { raw: string; value: number; currency: string };

const CURRENCIES: Readonly<Record<string, string>> = { "€": "EUR", $: "USD", US$: "USD", "£": "GBP" };
const SIGN = String.raw`US\$|[€$£]|EUR|USD|GBP|CHF`;
const NUMBER = String.raw`\d{1,3}(?:[.,' \u00a0]\d{3})+(?:[.,]\d{1,2})?(?![\d])|\d+(?:[.,]\d{1,2})?(?!\d)`;
const GAP = String.raw`[ \t\u00a0]{0,6}`;
const AMOUNT = new RegExp(
  String.raw`(?<![\p{L}\d])(?<minus>[-–]\s?)?(?:(?<before>${SIGN})${GAP}(?<first>[-–]?(?:${NUMBER}))|(?<second>${NUMBER})[ \u00a0]?(?<after>${SIGN})(?!\p{L}|[ \t]*\d))`,
  "gu",
);

/** `1.234,50`, `1,234.50`, `1'234.50` and `1 234,5` alike: the last separator with one or two digits after it is the decimal one. */
export function parseNumber(text: string): number {
  const isNegative = /^[-–]/.test(text);
  const bare = text.replace(/^[-–]\s?/, "").replace(/[' \u00a0]/g, "");
  const [, whole = bare, cents = ""] = /^(.*)[.,](\d{1,2})$/.exec(bare) ?? [];
  const value = Number(`${whole.replace(/[.,]/g, "")}.${cents || "0"}`);
  return isNegative ? -value : value;
}

export const currencyOf = (text: string): string | undefined => {
  const sign = new RegExp(SIGN).exec(text)?.[0];
  return sign && (CURRENCIES[sign] ?? sign);
};

/** Amounts that carry a currency, in the order of the text. A list's dash is no minus sign. */
export function inlineAmounts(text: string): (Amount & { index: number })[] {
  return [...text.matchAll(AMOUNT)].map(({ 0: raw, index, groups = {} }) => {
    const isListed = /(?:^|\n)[ \t]*$/.test(text.slice(0, index));
    const value = parseNumber(groups["first"] ?? groups["second"] ?? "0");
    const isNegative = groups["minus"] !== undefined && !isListed;
    const currency = currencyOf(groups["before"] ?? groups["after"] ?? "") ?? "";
    return { raw: raw.replace(/\s+/g, " ").trim(), value: isNegative ? -value : value, currency, index };
  });
}

/** Those in the text, and plain numbers in columns of tables whose heading names the currency. */
export function findAmounts(text: string): Amount[] {
  const inColumns = tableCells(text).flatMap(({ text: raw, heading, index }) => {
    const currency = currencyOf(heading);
    return currency !== undefined && /^[-–]?\d[\d.,']*$/.test(raw) ? [{ raw, value: parseNumber(raw), currency, index }] : [];
  });
  return [...inlineAmounts(text), ...inColumns]
    .sort((a, b) => a.index - b.index)
    .map(({ raw, value, currency }) => ({ raw, value, currency }));
}

export const formatAmount = (value: number, currency: string): string =>
  `${currency} ${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`.trim();

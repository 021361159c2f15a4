import type { Issue } from "./issue.ts";

/** `iso` is null for a date that no calendar has. */
export type FoundDate = { raw: string; iso: string | null; index: number };

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const GERMAN_MONTHS: Readonly<Record<string, string>> = { mär: "mar", mai: "may", okt: "oct", dez: "dec" };
const MONTH = String.raw`(?:Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|Mar(?:ch)?|März|Apr(?:il)?|May|Mai|June?|Juni|July?|Juli|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Oktober|Nov(?:ember)?|Dec(?:ember)?|Dezember)`;
const PATTERNS: readonly RegExp[] = [
  /(?<![\d-])(?<year>\d{4})-(?<month>\d{1,2})-(?<day>\d{1,2})(?![\d-])/g,
  new RegExp(String.raw`(?<!\d)(?<day>\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?<month>${MONTH})\.?,?\s+(?<year>\d{4})(?!\d)`, "gi"),
  new RegExp(String.raw`(?<!\p{L})(?<month>${MONTH})\.?\s+(?<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?<year>\d{4})(?!\d)`, "giu"),
  /(?<![\d/])(?<first>\d{1,2})\/(?<second>\d{1,2})\/(?<year>\d{4})(?![\d/])/g,
  /(?<![\d.])(?<day>\d{1,2})\.(?<month>\d{1,2})\.(?<year>\d{4})(?!\d)/g,
];

/**
 * Dates in the order of the text. `03/12/2026` is March 12, unless another date of the document, or pounds sterling, show
 * that its writer puts the day first.
 */
export function findDates(text: string): FoundDate[] {
  const matches = PATTERNS.flatMap((pattern) => [...text.matchAll(pattern)]);
  const dayFirst = putsDayFirst(matches, text);
  const found = matches.map(({ 0: raw, index, groups = {} }) => ({ raw, index, iso: isoOf(groups, dayFirst) }));
  return found.sort((a, b) => a.index - b.index);
}

function putsDayFirst(matches: readonly RegExpExecArray[], text: string): boolean {
  const isDay = (name: string): boolean => matches.some(({ groups }) => Number(groups?.[name]) > 12);
  return isDay("first") !== isDay("second") ? isDay("first") : text.includes("£");
}

function isoOf(groups: Record<string, string | undefined>, dayFirst: boolean): string | null {
  const year = Number(groups["year"]);
  if (groups["first"] === undefined) return calendarDate(year, monthNumber(groups["month"] ?? ""), Number(groups["day"]));
  const [first, second] = [Number(groups["first"]), Number(groups["second"])];
  const [month, day] = dayFirst ? [second, first] : [first, second];
  return calendarDate(year, month, day) ?? calendarDate(year, day, month);
}

function monthNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const start = text.toLowerCase().slice(0, 3);
  return MONTHS.indexOf(GERMAN_MONTHS[start] ?? start) + 1;
}

function calendarDate(year: number, month: number, day: number): string | null {
  const date = new Date(Date.UTC(year, month - 1, day));
  const isReal = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isReal ? date.toISOString().slice(0, 10) : null;
}

const DUE = /\b(?:due|payable|pay(?:ment)? (?:is )?(?:by|until|before)|no later than|deadline|fällig|zahlbar)\b[^.!?\n]{0,40}$/i;
const ISSUED = /\b(?:issued|invoice date|date of (?:invoice|issue)|rechnungsdatum|dated|date)\b[^.!?\n]{0,25}$/i;

/** Dates that do not exist, and documents that are due before they were issued. */
export function checkDates(text: string, dates: readonly FoundDate[]): Issue[] {
  const impossible = dates
    .filter((date) => date.iso === null)
    .map(({ raw }) => ({ kind: "impossible_date", message: `There is no ${raw}.` }));
  const before = ({ index }: FoundDate): string => text.slice(Math.max(0, index - 80), index);
  const due = dates.find((date) => date.iso !== null && DUE.test(before(date)));
  const issued = dates.find((date) => date.iso !== null && date !== due && ISSUED.test(before(date)) && !DUE.test(before(date)));
  if (!due?.iso || !issued?.iso || due.iso >= issued.iso) return impossible;
  return [...impossible, { kind: "due_before_issued", message: `It is due on ${due.iso}, before it was issued on ${issued.iso}.` }];
}

import { z } from "zod";

const Item = z.looseObject({
  id: z.string(),
  label: z.string(),
  summary: z.string(),
  issues: z.array(z.looseObject({ kind: z.string(), message: z.string() })).default([]),
  dates: z.array(z.looseObject({ iso: z.string().nullable() })).default([]),
});
export type Item = z.infer<typeof Item>;
export const RankInput = z.object({ items: z.array(Item).max(10_000) });
export type Ranked = { id: string; label: string; score: number; reasons: string[] };

const LABEL_SCORES: Readonly<Record<string, number>> = { safety: 50, complaint: 30, invoice: 15, appointment: 10, offer: 5 };
const SIGNALS: readonly [string, number, RegExp][] = [
  ["someone may get hurt", 25, /\b(?:brakes?|steering|airbag|smoke|fire|fuel leak|injur\w+|danger\w*|unsafe|accident)\b/i],
  ["recall", 15, /\brecall\w*\b/i],
  ["legal steps are mentioned", 15, /\b(?:lawyer|solicitor|attorney|legal action|court|consumer protection)\b/i],
  ["asks for an answer at once", 10, /\b(?:urgent\w*|immediate\w*|at once|as soon as possible|asap|today|tomorrow)\b/i],
  ["money back is asked for", 8, /\b(?:refund|reimburse\w*|compensation|chargeback)\b/i],
  ["not for the first time", 8, /\b(?:again|third time|second time|repeatedly|still not|came back)\b/i],
  ["a payment is late", 8, /\b(?:overdue|reminder|unpaid|late payment)\b/i],
];
const ISSUE_SCORE = 6;
const MAX_ISSUE_SCORE = 18;
const SOON_DAYS = 7;
const SOON_SCORE = 6;

/** Highest score first; equal scores by id, so that the same items always make the same list. */
export function rankItems(items: readonly Item[]): Ranked[] {
  return items.map(rankItem).sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}

function rankItem({ id, label, summary, issues, dates }: Item): Ranked {
  const kind = LABEL_SCORES[label.toLowerCase()] ?? 0;
  const signals = SIGNALS.filter(([, , pattern]) => pattern.test(summary));
  const wrong = Math.min(issues.length * ISSUE_SCORE, MAX_ISSUE_SCORE);
  const soon = isSoon(dates) ? SOON_SCORE : 0;
  const score = kind + signals.reduce((sum, [, points]) => sum + points, 0) + wrong + soon;
  const reasons = [
    ...(kind > 0 ? [`${label} (+${kind})`] : []),
    ...signals.map(([reason, points]) => `${reason} (+${points})`),
    ...(wrong > 0 ? [`${issues.length} ${issues.length === 1 ? "fact" : "facts"} to check (+${wrong})`] : []),
    ...(soon > 0 ? [`a date follows within ${SOON_DAYS} days (+${soon})`] : []),
  ];
  return { id, label, score, reasons: reasons.length > 0 ? reasons : ["nothing pressing"] };
}

/** Whether something is to happen soon after the document's first date, which is usually its own. */
function isSoon(dates: Item["dates"]): boolean {
  const days = [...new Set(dates.flatMap(({ iso }) => (iso === null ? [] : [Date.parse(iso) / 86_400_000])))].sort((a, b) => a - b);
  const [first, second] = days;
  return first !== undefined && second !== undefined && second - first <= SOON_DAYS;
}

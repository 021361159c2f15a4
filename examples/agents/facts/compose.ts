import { z } from "zod";
import { formatAmount } from "./amounts.ts";

const Finding = z.looseObject({
  id: z.string(),
  summary: z.string(),
  label: z.string(),
  amounts: z.array(z.object({ raw: z.string(), value: z.number(), currency: z.string() })),
  dates: z.array(z.object({ raw: z.string(), iso: z.string().nullable() })),
  issues: z.array(z.object({ kind: z.string(), message: z.string() })),
});
type Finding = z.infer<typeof Finding>;
const Rank = z.looseObject({ id: z.string(), score: z.number(), reasons: z.array(z.string()) });
type Rank = z.infer<typeof Rank>;

export const ComposeInput = z.object({ findings: z.array(Finding), ranking: z.object({ ranking: z.array(Rank) }) });
export type Report = { report: string; mostUrgent: string | null; withIssues: number };

/** The report in Markdown: what is urgent first, then every document with its facts. The same findings make the same report. */
export function composeReport({ findings, ranking: { ranking } }: z.infer<typeof ComposeInput>): Report {
  const byId = new Map(findings.map((finding) => [finding.id, finding]));
  const ranked = ranking.flatMap((rank) => {
    const finding = byId.get(rank.id);
    return finding ? [{ rank, finding }] : [];
  });
  const withIssues = findings.filter((finding) => finding.issues.length > 0).length;
  const report = [
    "# Service desk triage",
    "",
    `${findings.length} documents, ${withIssues} with something to check.`,
    "",
    "| # | Document | Kind | Urgency | Why |",
    "| --: | --- | --- | --: | --- |",
    ...ranked.map(
      ({ rank, finding }, i) =>
        `| ${i + 1} | ${cell(finding.id)} | ${cell(finding.label)} | ${rank.score} | ${cell(rank.reasons.join("; "))} |`,
    ),
    ...ranked.flatMap(({ finding }) => ["", ...section(finding)]),
    "",
  ].join("\n");
  return { report, mostUrgent: ranked[0]?.finding.id ?? null, withIssues };
}

function section({ id, label, summary, amounts, dates, issues }: Finding): string[] {
  const known = dates.flatMap(({ iso }) => (iso === null ? [] : [iso]));
  return [
    `## ${line(id)} (${line(label)})`,
    "",
    line(summary),
    ...(amounts.length > 0
      ? ["", `Amounts: ${unique(amounts.map(({ value, currency }) => formatAmount(value, currency))).join(", ")}`]
      : []),
    ...(known.length > 0 ? ["", `Dates: ${unique(known).join(", ")}`] : []),
    ...(issues.length > 0 ? ["", ...issues.map(({ message }) => `- **Check:** ${line(message)}`)] : []),
  ];
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];
/** Text of a document must not become structure of the report. */
const line = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/^([#>|*+-])/, "\\$1")
    .trim();
const cell = (text: string): string => line(text).replaceAll("|", "\\|");

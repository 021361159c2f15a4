import { terms } from "./text.ts";
import { cosine, inverseFrequencies, vectorOf } from "./vectors.ts";

export type Example = { label: string; text: string };
export type Classification = { label: string; confidence: number; scores: Record<string, number> };

/**
 * The label whose examples share most with the text: cosine over TF-IDF, where a word counts less the more labels use it.
 * `confidence` is the label's share of all scores; 0 means that the text has no word in common with any example.
 */
export function classify(text: string, examples: readonly Example[]): Classification {
  const byLabel = Map.groupBy(examples, (example) => example.label);
  const labels = [...byLabel].map(([label, own]) => ({ label, document: own.flatMap((example) => terms(`${label} ${example.text}`)) }));
  const idf = inverseFrequencies(labels.map(({ document }) => document));
  const asked = vectorOf(terms(text), idf);
  const scores = labels.map(({ label, document }) => ({ label, score: cosine(asked, vectorOf(document, idf)) }));
  const total = scores.reduce((sum, { score }) => sum + score, 0);
  const share = (score: number): number => (total === 0 ? 0 : Math.round((score / total) * 1_000) / 1_000);
  const best = scores.reduce((a, b) => (b.score > a.score ? b : a), { label: "", score: -1 });
  return {
    label: best.label,
    confidence: share(Math.max(best.score, 0)),
    scores: Object.fromEntries(scores.map(({ label, score }) => [label, share(score)])),
  };
}

import { countWords, sentences, terms, type Sentence } from "./text.ts";
import { cosine, inverseFrequencies, vectorOf, type Vector } from "./vectors.ts";

/** TextRank compares every sentence with every other; longer texts are first cut to their most typical sentences. */
const MAX_RANKED = 200;
const DAMPING = 0.85;
const ROUNDS = 30;
const CLOSING = /^(?:dear|hello|hi|sincerely|yours|kind regards|best regards|regards|thank you for your (?:time|attention)|with kind)\b/i;

export type Summary = { summary: string; sentences: string[] };

/**
 * The `count` sentences that the rest of the text resembles most (TextRank over TF-IDF), in the order of the text. Early
 * sentences count a little more; greetings, fields and fragments are taken only when there is nothing else.
 */
export function summarise(text: string, count: number): Summary {
  const all = sentences(text);
  const prose = all.filter((sentence) => sentence.isProse && !CLOSING.test(sentence.text));
  const candidates = prose.length > 0 ? prose : all;
  const chosen = rank(candidates)
    .slice(0, count)
    .map(({ sentence }) => sentence)
    .sort((a, b) => a.index - b.index)
    .map((sentence) => sentence.text);
  return { summary: chosen.join(" "), sentences: chosen };
}

type Ranked = { sentence: Sentence; score: number };

function rank(all: readonly Sentence[]): Ranked[] {
  const documents = all.map((sentence) => terms(sentence.text));
  const idf = inverseFrequencies(documents);
  const whole = vectorOf(documents.flat(), idf);
  const typical = all
    .map((sentence, i) => {
      const vector = vectorOf(documents[i] ?? [], idf);
      return { sentence, vector, score: cosine(vector, whole) };
    })
    .sort(byScore)
    .slice(0, MAX_RANKED);
  const linked = textRank(typical.map((entry) => entry.vector));
  return typical
    .map(({ sentence, score }, i) => ({ sentence, score: ((linked[i] ?? 0) * typical.length + score) * weightOf(sentence, all.length) }))
    .sort(byScore);
}

/** Equal scores keep the order of the text, so that the answer never depends on the sort. */
const byScore = (a: Ranked, b: Ranked): number => b.score - a.score || a.sentence.index - b.sentence.index;

function weightOf(sentence: Sentence, total: number): number {
  const position = 1 + 0.3 * (1 - sentence.index / Math.max(total, 1));
  const length = countWords(sentence.text);
  return position * (length < 6 ? 0.5 : 1) * (length > 60 ? 0.6 : 1);
}

function textRank(vectors: readonly Vector[]): number[] {
  const n = vectors.length;
  const links = vectors.map((a, i) => vectors.map((b, j) => (i === j ? 0 : cosine(a, b))));
  const outgoing = links.map((row) => row.reduce((sum, link) => sum + link, 0) || 1);
  let scores = vectors.map(() => 1 / n);
  for (let round = 0; round < ROUNDS; round++) {
    const shares = scores.map((score, j) => score / (outgoing[j] ?? 1));
    scores = links.map((row) => (1 - DAMPING) / n + DAMPING * row.reduce((sum, link, j) => sum + link * (shares[j] ?? 0), 0));
  }
  return scores;
}

import { isStopword, sentences } from "./text.ts";

const MAX_PHRASE_WORDS = 4;
const TOKEN = /[\p{L}\p{N}][\p{L}\p{N}'’-]*|[^\s\p{L}\p{N}]/gu;

/**
 * Key phrases after RAKE: runs of words between stopwords and punctuation. A word scores by the length of the phrases it
 * occurs in, a phrase by its words and by how often it comes.
 */
export function keyPhrases(text: string, count: number): string[] {
  const found = sentences(text).flatMap((sentence) => candidates(sentence.text));
  const frequency = new Map<string, number>();
  const degree = new Map<string, number>();
  const occurrences = new Map<string, number>();
  for (const phrase of found) {
    occurrences.set(phrase.join(" "), (occurrences.get(phrase.join(" ")) ?? 0) + 1);
    for (const word of phrase) {
      frequency.set(word, (frequency.get(word) ?? 0) + 1);
      degree.set(word, (degree.get(word) ?? 0) + phrase.length);
    }
  }
  const scoreOf = (word: string): number => (degree.get(word) ?? 0) / (frequency.get(word) ?? 1);
  return [...occurrences]
    .map(([phrase, times]) => ({ phrase, score: phrase.split(" ").reduce((sum, word) => sum + scoreOf(word), 0) * (1 + Math.log(times)) }))
    .sort((a, b) => b.score - a.score || (a.phrase < b.phrase ? -1 : 1))
    .slice(0, count)
    .map(({ phrase }) => phrase);
}

function candidates(sentence: string): string[][] {
  const phrases: string[][] = [[]];
  for (const token of sentence.toLowerCase().match(TOKEN) ?? []) {
    const isWord = /^\p{L}/u.test(token) && token.length > 2 && !isStopword(token);
    if (isWord) phrases.at(-1)?.push(token);
    else phrases.push([]);
  }
  return phrases.filter((phrase) => phrase.length > 0 && phrase.length <= MAX_PHRASE_WORDS);
}

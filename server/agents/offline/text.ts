/** Words that carry no topic. English, and the German ones that letters of mixed origin bring along. */
const STOPWORDS = new Set(
  `a about above after again all also am an and any are as at be because been before being below between both but by can could did do does doing
  down during each few for from further had has have having he her here hers him his how i if in into is it its itself just me more most my
  no nor not now of off on once only or other our out over own please same she should so some such than that the their them then there these
  they this those through to too under until up us very was we were what when where which while who whom why will with would you your yours
  dear hello hi sincerely regards kind best mr mrs ms dr
  der die das den dem des ein eine einen einem einer und oder aber ist sind war waren wir sie ihr ihre ihnen ich mich mir nicht mit von vom zu
  zum zur auf aus bei fur für im in am an als auch es dass haben hat wird werden sehr geehrte geehrter herr frau`.split(/\s+/),
);

const WORD = /[\p{L}\p{N}][\p{L}\p{N}'’]*/gu;
const SENTENCE_SEGMENTS = new Intl.Segmenter("en", { granularity: "sentence" });
const ABBREVIATION =
  /(?:^|[\s("“„])(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nr|Inc|Ltd|Co|approx|incl|excl|e\.g|i\.e|z\.B|ca|vs|Tel|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|\p{Lu})\.\s*$/u;
const OWN_LINE = /^(?:#{1,6}\s|[-*+•]\s|\d{1,2}[.)]\s|\||>|[\p{L}][\p{L} /-]{0,30}:\s)/u;
const MARKUP = /^(?:#{1,6}\s+|[-*+•]\s+|>\s*)|\*\*|__|`/gu;

export const words = (text: string): string[] => text.toLowerCase().match(WORD) ?? [];
export const countWords = (text: string): number => words(text).length;

/** Words with a topic, cut to a common stem. */
export const terms = (text: string): string[] =>
  words(text)
    .filter((word) => word.length > 1 && !STOPWORDS.has(word) && !/^\d+$/.test(word))
    .map(stem);

export const isStopword = (word: string): boolean => STOPWORDS.has(word);

/** Cuts the commonest English endings, so that `booking` and `booked` meet. Not a real stemmer, and enough for counting. */
export function stem(word: string): string {
  const bare = word.replace(/['’]s?$/, "");
  if (bare.length < 5) return bare.endsWith("s") && !bare.endsWith("ss") && bare.length > 3 ? bare.slice(0, -1) : bare;
  const cut = bare
    .replace(/(?:sses|shes|ches|xes)$/, (ending) => ending.slice(0, -2))
    .replace(/ies$/, "y")
    .replace(/([^s])s$/, "$1")
    .replace(/(?:ingly|edly|ing|ed|ly)$/, "");
  return cut.length < 3 ? bare : cut.replace(/([bdfgklmnprt])\1$/, "$1").replace(/e$/, "");
}

export type Sentence = {
  readonly text: string;
  /** Place in the text, from 0. */
  readonly index: number;
  /** False for headings, list items, table rows, addresses and fields like `Date: …`. */
  readonly isProse: boolean;
};

/** Cuts a text into sentences. Wrapped lines of a paragraph are joined first; structured lines stay alone. */
export function sentences(text: string): Sentence[] {
  const units = text
    .replaceAll("\r\n", "\n")
    .split(/\n\s*\n/)
    .flatMap(unitsOf);
  const found = units.flatMap((unit): Unit[] => (unit.isProse ? splitProse(unit.text).map((text) => ({ text, isProse: true })) : [unit]));
  return found
    .map(({ text, isProse }) => ({ text: text.replace(MARKUP, "").replace(/\s+/g, " ").trim(), isProse }))
    .filter(({ text }) => /[\p{L}\p{N}]/u.test(text))
    .map(({ text, isProse }, index) => ({ text, index, isProse: isProse && countWords(text) > 3 }));
}

type Unit = { text: string; isProse: boolean };

function unitsOf(block: string): Unit[] {
  const units: Unit[] = [];
  for (const line of block.split("\n")) {
    const last = units.at(-1);
    if (OWN_LINE.test(line.trim())) units.push({ text: line.trim(), isProse: false });
    else if (last?.isProse) last.text += ` ${line.trim()}`;
    else units.push({ text: line.trim(), isProse: true });
  }
  // Short lines without an end mark are addresses, greetings and signatures.
  return units.map(({ text, isProse }) => ({ text, isProse: isProse && /[.!?…]["”’)]?\s*$/.test(text) }));
}

function splitProse(text: string): string[] {
  const parts: string[] = [];
  for (const { segment } of SENTENCE_SEGMENTS.segment(text)) {
    const previous = parts.at(-1);
    if (previous !== undefined && ABBREVIATION.test(previous)) parts[parts.length - 1] = previous + segment;
    else parts.push(segment);
  }
  return parts;
}

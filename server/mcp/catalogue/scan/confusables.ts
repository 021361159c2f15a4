/*
 * Letters that look like others. From the Unicode Consortium's confusables.txt (UTS #39, 17.0), those of its pairs that
 * stand for Latin letters and digits and that NFKC does not map itself.
 */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
  // Cyrillic
  а: "a",
  А: "A",
  В: "B",
  Ь: "b",
  с: "c",
  С: "C",
  ԁ: "d",
  е: "e",
  Е: "E",
  һ: "h",
  Н: "H",
  і: "i",
  І: "I",
  ј: "j",
  Ј: "J",
  К: "K",
  М: "M",
  о: "o",
  О: "O",
  р: "p",
  Р: "P",
  ԛ: "q",
  ѕ: "s",
  Ѕ: "S",
  Т: "T",
  ѵ: "v",
  ԝ: "w",
  х: "x",
  Х: "X",
  у: "y",
  У: "Y",
  // Greek
  Α: "A",
  Β: "B",
  Ε: "E",
  Ζ: "Z",
  Η: "H",
  Ι: "I",
  Κ: "K",
  Μ: "M",
  Ν: "N",
  ο: "o",
  Ο: "O",
  Ρ: "P",
  Τ: "T",
  Υ: "Y",
  Χ: "X",
  // Armenian and Latin letters beyond ASCII
  օ: "o",
  ս: "u",
  հ: "h",
  ո: "n",
  ı: "i",
  ɑ: "a",
  ɡ: "g",
  ɩ: "i",
};
/** The same file maps these within ASCII. */
const WITHIN_ASCII: readonly (readonly [RegExp, string])[] = [
  [/[1I|]/gu, "l"],
  [/0/gu, "O"],
  [/rn/gu, "m"],
  [/[_.:/-]+/gu, ""],
];

const ASCII = /^[ -~]*$/u;

/** Names that look alike have equal skeletons: `sеnd-email` (with a Cyrillic letter) and `send_email`, `rn` and `m`. */
export function skeletonOf(name: string): string {
  const latin = ASCII.test(name) ? name : Array.from(name.normalize("NFKC"), (letter) => LOOK_ALIKES[letter] ?? letter).join("");
  return WITHIN_ASCII.reduce((rest, [pattern, to]) => rest.replace(pattern, to), latin).toLowerCase();
}

const WORDS = /[\p{L}\p{M}]{2,}/gu;

/** The first letter that only pretends to be a Latin one: in a word of Latin letters, one of another alphabet that looks alike. */
export function findPretender(text: string): string | undefined {
  for (const [word] of text.matchAll(WORDS)) {
    const foreign = Array.from(word).filter((letter) => !/[\p{Script=Latin}\p{M}]/u.test(letter));
    if (foreign.length === 0 || foreign.length === Array.from(word).length) continue;
    if (foreign.every((letter) => Object.hasOwn(LOOK_ALIKES, letter))) return foreign[0];
  }
  return undefined;
}

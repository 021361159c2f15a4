/*
 * What a person would not see: characters that are drawn as nothing, that steer a terminal or that turn the direction of
 * text around. Several of them are part of how honest text is written, and only there nothing is wrong with them.
 */

/** Hidden characters that are spelling after `before`. One of each, never a run of them: what stands before one counts as it was written. */
const after = (before: string, hidden: string): string => `${hidden}(?<=${before}${hidden})`;

/** What is seen of these scripts; some have hidden characters of their own. */
const of = (...scripts: readonly string[]): string =>
  `[[${scripts.map((script) => `\\p{Script=${script}}`).join("")}]--\\p{Default_Ignorable_Code_Point}]`;

const WITHOUT_BLANKS = of("Thai", "Lao", "Khmer", "Myanmar");

const SPELLING: readonly string[] = [
  // Skin tones, keycaps and the tags of flags.
  String.raw`\p{RGI_Emoji}`,
  // What joins emoji to one, also where a complete sequence would have more selectors.
  after(String.raw`\p{Extended_Pictographic}(?:\uFE0E|\uFE0F|\p{Emoji_Modifier})?`, String.raw`\u200D`) +
    String.raw`(?=\p{Extended_Pictographic})`,
  // How a symbol is drawn, as text or as an emoji.
  after(String.raw`[\p{Extended_Pictographic}\p{So}\p{Sm}‼⁉]`, String.raw`[\uFE0E\uFE0F]`),
  // Joiners of scripts whose letters join.
  after(of("Arabic", "Syriac", "Mongolian", "Nko"), String.raw`[\u200C\u200D]`),
  after(of("Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu"), String.raw`[\u200C\u200D]`),
  after(of("Kannada", "Malayalam", "Sinhala", "Khmer", "Myanmar", "Tibetan"), String.raw`[\u200C\u200D]`),
  // Where words end in scripts that are written without spaces.
  `${after(WITHOUT_BLANKS, String.raw`\u200B`)}(?=${WITHOUT_BLANKS})`,
  // Which form of a Han character, or of a Mongolian letter, is meant.
  after(of("Han"), String.raw`[\uFE00-\uFE02\u{E0100}-\u{E01EF}]`),
  after(of("Mongolian"), String.raw`[\u180B-\u180F]`),
];

/** Marks that give the direction belong to text that runs from right to left; never a run of them. */
const RIGHT_TO_LEFT = new RegExp(of("Arabic", "Hebrew", "Syriac", "Thaana", "Nko", "Adlam"), "v");
const DIRECTION_MARKS = String.raw`[\u200E\u200F\u061C]`;

const ONE_HIDDEN = String.raw`(?![\t\n])[\p{Cc}\p{Default_Ignorable_Code_Point}\u202A-\u202E\u2028\u2029\uFFF9-\uFFFB\u2800\p{Cs}]`;
const HIDDEN = new RegExp(ONE_HIDDEN, "gu");
/** At each place: spelling if it is that, else a hidden character, as the group `hidden`. */
const SPELT_OR_HIDDEN = new RegExp(`${SPELLING.join("|")}|(?<hidden>${ONE_HIDDEN})`, "gv");
const SPELT_OR_HIDDEN_RIGHT_TO_LEFT = new RegExp(`(?<!${DIRECTION_MARKS})${DIRECTION_MARKS}|${SPELT_OR_HIDDEN.source}`, "gv");

/** `U+E0072` */
export const codePointName = (text: string): string => `U+${(text.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

const reveal = (character: string): string => `⟦${codePointName(character)}⟧`;

export const holdsHidden = (text: string): boolean => text.search(HIDDEN) >= 0;

/** The text with each hidden character as `write` has it. */
export const replaceHidden = (text: string, write: (character: string) => string): string => text.replace(HIDDEN, write);

/** The text with each hidden character written out, as in `Adds.⟦U+E0072⟧`. Nothing in it steers whatever shows it. */
export const revealHidden = (text: string): string => replaceHidden(text, reveal);

/** As `revealHidden`, but what is spelling stays, so that emoji and all scripts can be read: for text that is shown, not decided upon. */
export const revealUnspelt = (text: string): string => ofUnspelt(text, (spelling) => spelling, reveal);

/** The text without the hidden characters that are spelling, and without the emoji that they are part of. */
export const withoutSpelling = (text: string): string =>
  ofUnspelt(
    text,
    () => "",
    (character) => character,
  );

function ofUnspelt(text: string, spelt: (text: string) => string, unspelt: (text: string) => string): string {
  const pattern = RIGHT_TO_LEFT.test(text) ? SPELT_OR_HIDDEN_RIGHT_TO_LEFT : SPELT_OR_HIDDEN;
  return text.replace(pattern, (found: string, hidden: string | undefined) => (hidden === undefined ? spelt(found) : unspelt(hidden)));
}

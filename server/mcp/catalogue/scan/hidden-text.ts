/*
 * What a person would not see: characters that are drawn as nothing, that steer a terminal or that turn the direction of
 * text around. Several of them are part of how honest text is written, and only there they are no finding.
 */
import type { Rule } from "./rule.ts";

/** Hidden characters that are spelling here: taken away before anything is looked for. One of each, never a run of them. */
const SPELLING: readonly RegExp[] = [
  // What joins emoji to one, also where a complete sequence would have more selectors.
  /(?<=\p{Extended_Pictographic}(?:\uFE0E|\uFE0F|\p{Emoji_Modifier})?)\u200D(?=\p{Extended_Pictographic})/gu,
  // Skin tones, keycaps and the tags of flags.
  /\p{RGI_Emoji}/gv,
  // How a symbol is drawn, as text or as an emoji.
  /(?<=[\p{Extended_Pictographic}\p{So}\p{Sm}‼⁉])[\uFE0E\uFE0F]/gu,
  // Joiners of scripts whose letters join.
  /(?<=[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Nko}])[\u200C\u200D]/gu,
  /(?<=[\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}])[\u200C\u200D]/gu,
  /(?<=[\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}])[\u200C\u200D]/gu,
  // Where words end in scripts that are written without spaces.
  /(?<=[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}])\u200B(?=[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}])/gu,
  // Which form of a Han character, or of a Mongolian letter, is meant.
  /(?<=\p{Script=Han})[\uFE00-\uFE02\u{E0100}-\u{E01EF}]/gu,
  /(?<=\p{Script=Mongolian})[\u180B-\u180F](?=\P{Default_Ignorable_Code_Point}|$)/gu,
];

/** Marks that give the direction belong to text that runs from right to left. */
const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
const DIRECTION_MARKS = /[\u200E\u200F\u061C]/gu;

/** What begins a sequence that a terminal obeys: escape, and the C1 codes that stand for it and more. */
const TERMINAL = String.raw`\u001B\u0090\u009B\u009D-\u009F`;

const RULES: readonly Rule[] = [
  { finding: "hidden tag characters", pattern: /[\u{E0000}-\u{E007F}]/u },
  { finding: "text direction overrides", pattern: /[\u202A-\u202E\u2066-\u2069]/u },
  { finding: "variation selectors that select nothing", pattern: /\p{Variation_Selector}/u },
  {
    finding: "invisible characters",
    pattern:
      /(?!\p{Variation_Selector}|[\u{E0000}-\u{E007F}\u202A-\u202E\u2066-\u2069])\p{Default_Ignorable_Code_Point}|[\uFFF9-\uFFFB\u2800]/u,
  },
  { finding: "line breaks that most programs do not show", pattern: /[\u2028\u2029]/u },
  { finding: "a terminal sequence", pattern: new RegExp(`[${TERMINAL}]`, "u") },
  { finding: "control characters", pattern: new RegExp(`(?![\\t\\n\\r${TERMINAL}])\\p{Cc}|\\r(?!\\n)`, "u") },
  { finding: "a long run of blank space", pattern: /\s{200}/u },
];

/** What is hidden in a text, with the first character of each kind. */
export function findHidden(text: string): string[] {
  const visible = SPELLING.reduce((rest, pattern) => rest.replace(pattern, ""), text);
  const plain = RIGHT_TO_LEFT.test(visible) ? visible.replace(DIRECTION_MARKS, "") : visible;
  return RULES.flatMap(({ finding, pattern }) => {
    const found = pattern.exec(plain)?.[0];
    return found === undefined ? [] : [`${finding} (${nameOf(found)})`];
  });
}

const HIDDEN = /(?![\t\n])[\p{Cc}\p{Default_Ignorable_Code_Point}\u202A-\u202E\u2028\u2029\uFFF9-\uFFFB\u2800\p{Cs}]/gu;

/** The text with each hidden character written out, as in `Adds.⟦U+E0072⟧`. Nothing in it steers whatever shows it. */
export const revealHidden = (text: string): string => text.replace(HIDDEN, (character) => `⟦${nameOf(character)}⟧`);

const nameOf = (text: string): string => `U+${(text.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

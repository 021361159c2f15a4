/* What the scan holds against characters that a person would not see and that are not spelling. */
import { codePointName, withoutSpelling } from "#contract/hidden-text.ts";
import type { Rule } from "./rule.ts";

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
  const plain = withoutSpelling(text);
  return RULES.flatMap(({ finding, pattern }) => {
    const found = pattern.exec(plain)?.[0];
    return found === undefined ? [] : [`${finding} (${codePointName(found)})`];
  });
}

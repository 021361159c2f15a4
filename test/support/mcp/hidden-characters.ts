const range = (from: number, to: number): [string, string][] =>
  Array.from({ length: to - from + 1 }, (_, i) => {
    const character = String.fromCodePoint(from + i);
    return [`U+${(from + i).toString(16).toUpperCase().padStart(4, "0")}`, character];
  });

/** What spells a text that nobody sees (T-07). */
export const tagCharacters = (text: string): string =>
  Array.from(text, (c) => String.fromCodePoint(0xe0000 + (c.codePointAt(0) ?? 0))).join("");

/** Characters that are drawn as nothing, or turn the direction of text around (T-08), with their names. */
export const INVISIBLE_CHARACTERS: readonly [name: string, character: string][] = [
  [0x00ad, 0x00ad],
  [0x034f, 0x034f],
  [0x061c, 0x061c],
  [0x115f, 0x115f],
  [0x180e, 0x180e],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x2064],
  [0x2066, 0x2069],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff9, 0xfffb],
  [0xe0100, 0xe0103],
  [0xe01ec, 0xe01ef],
].flatMap(([from = 0, to = 0]) => range(from, to));

/** Characters that steer a terminal, or that some take for the end of a line (T-09), and the tags (T-07). */
export const CONTROL_CHARACTERS: readonly [name: string, character: string][] = [
  ...range(0x00, 0x08),
  ...range(0x0b, 0x1f),
  ...range(0x7f, 0x9f),
  ...range(0x2028, 0x2029),
];
export const TAG_CHARACTERS: readonly [name: string, character: string][] = range(0xe0000, 0xe007f);

/** What a terminal would obey (T-09). */
export const TERMINAL_SEQUENCES: readonly [what: string, text: string][] = [
  ["hidden text", "Adds \u001B[8mhidden\u001B[0m"],
  ["a cleared screen", "Adds\u001B[2J"],
  ["a hyperlink", "\u001B]8;;https://evil.example\u0007here\u001B]8;;\u0007"],
  ["a write to the clipboard", "\u001B]52;c;ZXZpbA==\u0007"],
  ["a C1 sequence", "Adds \u009B2J"],
  ["a C1 write to the clipboard", "Adds \u009D52;c;ZXZpbA==\u009C"],
  ["backspaces", "Adds\b\b\b\bEats"],
  ["a carriage return that overwrites", "evil\rgood"],
  ["NUL", "Adds\u0000"],
];

/** Written once more and in other words than the rule that is tested: what no terminal and no pipe may get as it is. */
const FORBIDDEN: readonly (readonly [from: number, to: number])[] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe0fff],
];

const unicode = (code: number): string => `\\u{${code.toString(16)}}`;
export const FORBIDDEN_OUTPUT = new RegExp(`[${FORBIDDEN.map(([from, to]) => `${unicode(from)}-${unicode(to)}`).join("")}]`, "u");

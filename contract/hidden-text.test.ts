import { describe, expect, test } from "vitest";
import { CONTROL_CHARACTERS, INVISIBLE_CHARACTERS, TAG_CHARACTERS, tagCharacters } from "#test/support/mcp/hidden-characters.ts";
import { LEGITIMATE_TEXTS } from "#test/support/mcp/legitimate-texts.ts";
import { codePointName, revealHidden, revealUnspelt } from "./hidden-text.ts";

describe("what is hidden is written out", () => {
  test.each([...CONTROL_CHARACTERS, ...INVISIBLE_CHARACTERS, ...TAG_CHARACTERS])("%s", (name, character) => {
    expect(codePointName(character)).toBe(name);
    for (const reveal of [revealHidden, revealUnspelt]) expect(reveal(`Adds${character}two`)).toBe(`Adds⟦${name}⟧two`);
  });

  test.each([
    ["a half of a character", "a\uD83Db", "a⟦U+D83D⟧b"],
    ["tags after a flag that is none", `🏴${tagCharacters("rm")}`, "🏴⟦U+E0072⟧⟦U+E006D⟧"],
    ["joiners in a row", "می\u200C\u200Dخ", "می\u200C⟦U+200D⟧خ"],
    ["selectors in a row", "葛\u{E0100}\u{E0101}", "葛\u{E0100}⟦U+E0101⟧"],
    ["a joiner of emoji without the second", "👩\u200D!", "👩⟦U+200D⟧!"],
    ["an override among letters that run from right to left", "שלום\u202Eabc", "שלום⟦U+202E⟧abc"],
  ])("%s, where spelling ends", (_what, text, shown) => expect(revealUnspelt(text)).toBe(shown));

  test("not the structure of a text", () => expect(revealHidden("a\n\tb")).toBe("a\n\tb"));
});

test.each(LEGITIMATE_TEXTS.map((text) => [text.replaceAll("\r\n", "\n")]))("honest text stays readable: %s", (text) => {
  expect(revealUnspelt(text)).toBe(text);
});

import fc from "fast-check";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import {
  CONTROL_CHARACTERS,
  FORBIDDEN_OUTPUT,
  INVISIBLE_CHARACTERS,
  TAG_CHARACTERS,
  TERMINAL_SEQUENCES,
  tagCharacters,
} from "#test/support/mcp/hidden-characters.ts";
import { sourceFiles } from "#test/support/source-files.ts";
import { LEGITIMATE_TEXTS } from "#test/support/mcp/legitimate-texts.ts";
import { jsonText, notice, printDocument, printList, printable, say, shortened, yamlText } from "./output.ts";

const HIDDEN = [...CONTROL_CHARACTERS, ...INVISIBLE_CHARACTERS, ...TAG_CHARACTERS];

let out = "";
beforeEach(() => {
  out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((out += String(text)), true));
});

describe("a document", () => {
  const readBack = { json: (text: string): unknown => JSON.parse(text), yaml: (text: string): unknown => parse(text) };

  describe.each(["json", "yaml"] as const)("as %s", (format) => {
    test.each([...HIDDEN, ...TERMINAL_SEQUENCES])("holds no %s and means the same", (_name, text) => {
      const value = { [`key${text}`]: `Adds${text}two`, list: [text, `${text}\nsecond line`] };
      printDocument(value, format);
      expect(out).not.toMatch(FORBIDDEN_OUTPUT);
      expect(readBack[format](out)).toEqual(value);
    });

    test.each(LEGITIMATE_TEXTS.map((text) => [text]))("means the same with honest text: %s", (text) => {
      printDocument({ text }, format);
      expect(out).not.toMatch(FORBIDDEN_OUTPUT);
      expect(readBack[format](out)).toEqual({ text });
    });
  });

  test("is escaped as each language has it", () => {
    const text = `a\u009B\u202E${tagCharacters("r")}`;
    expect(jsonText({ text })).toBe(String.raw`{"text":"a\u009b\u202e\udb40\udc72"}`);
    expect(yamlText({ text })).toBe(`${String.raw`text: "a\u009b\u202e\U000e0072"`}\n`);
    expect(yamlText({ text: "what needs no quotes" })).toBe("text: what needs no quotes\n");
  });

  test("of any value parses to that value", () => {
    const character = fc.oneof(
      fc.constantFrom(...HIDDEN.map(([, hidden]) => hidden)),
      fc.constantFrom("\n", "\t", "\r", " ", ":", "#", "'", '"', "\\", "-", "👩‍👩‍👧‍👦", "\uD800", "é"),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
      fc.string({ minLength: 1, maxLength: 40 }),
    );
    const text = fc.array(character, { maxLength: 60 }).map((characters) => characters.join(""));
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        text,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(
          text.filter((key) => key !== "__proto__"),
          tie("value"),
          { maxKeys: 4, noNullPrototype: true },
        ),
      ),
    }));
    fc.assert(
      fc.property(value, (given) => {
        for (const [written, read] of [
          [jsonText(given, 2), readBack.json],
          [yamlText(given), readBack.yaml],
        ] as const) {
          expect(written).not.toMatch(FORBIDDEN_OUTPUT);
          expect(read(written)).toEqual(given);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("what people read", () => {
  test.each([...HIDDEN, ...TERMINAL_SEQUENCES])("shows %s as what it is", (_name, text) => {
    expect(printable(text)).not.toMatch(FORBIDDEN_OUTPUT);
    expect(printable(text)).toContain("⟦U+");
    printList([text], "table", [["TEXT", (cell) => cell]]);
    say(`said ${text}`);
    notice(`noticed ${text}`);
    expect(out.replaceAll("\u001B[1m", "").replaceAll("\u001B[22m", "")).not.toMatch(FORBIDDEN_OUTPUT);
  });

  test.each(LEGITIMATE_TEXTS.map((text) => [text]))("keeps honest text: %s", (text) => {
    expect(printable(text)).toBe(text.replaceAll(/\r?\n|\t/g, " "));
  });

  test("is one line, whatever it is", () => {
    expect(printable("a\u001b[2Jb\u202ec\nd\r\ne")).toBe("a⟦U+001B⟧[2Jb⟦U+202E⟧c d e");
    expect(printable(null)).toBe("");
    expect(printable({ a: 1 })).toBe('{"a":1}');
  });

  test("has our colours and no others", () => {
    say("\u001B[31mred\u001B[39m and \u001B[8mhidden");
    expect(out).toBe("\u001B[31mred\u001B[39m and ⟦U+001B⟧[8mhidden\n");
  });

  test.each([
    ["short", 5, "short"],
    ["longer", 4, "long"],
    ["ab👩‍👩‍👧‍👦", 5, "ab"],
    ["abé", 3, "abé"],
    ["abe\u0301", 3, "ab"],
  ])("%j is at most %i long: %j", (text, most, expected) => expect(shortened(text, most)).toBe(expected));
});

test("there is one door to the terminal", () => {
  const writing = sourceFiles().filter(
    ({ path, isTest, text }) => path.startsWith("cli/") && !isTest && /process\.std(out|err)\b|console\./.test(text),
  );
  expect(writing.map(({ path }) => path)).toEqual(["cli/output.ts"]);
});

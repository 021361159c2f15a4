import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "./common.ts";
import { copyJson, parseJson } from "./parse-json.ts";

const NAMES = ["a", "a\\", 'a"', "a\n", "a\\\\", "\\", '"', "__proto__", "0", "constructor", "ä\t"];
const name = fc.oneof(fc.constantFrom(...NAMES), fc.string({ unit: "binary", maxLength: 4 }));
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(name, fc.integer(), fc.boolean(), fc.constant(null), fc.constant('\\":'), fc.constant('{"a\\\\":1}')),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4 }),
  ),
}));

/** Of entries, so that no parser of the machine has a part in it. */
function written(json: Json): string {
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(written).join(",")}]`;
  return `{${Object.entries(json)
    .map(([key, item]) => `${JSON.stringify(key)}:${written(item)}`)
    .join(",")}}`;
}

describe("parseJson", () => {
  test("reads a name as it is written, whatever names were read before it", () => {
    const last = (text: string): string | undefined => Object.keys(Object(parseJson(text))).at(-1);
    expect(last(String.raw`{"x":"","x\\":1}`)).toBe("x\\");
    expect(last(String.raw`{"x":"","x\"":0}`)).toBe('x"');
    expect(last(String.raw`{"x":"","x\n" : 0}`)).toBe("x\n");
  });

  test("gives back any JSON", () => {
    fc.assert(
      fc.property(value, (json) => {
        const text = written(json);
        expect(written(parseJson(text))).toBe(text);
        expect(written(copyJson(json))).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  test("keeps the last of two members of one name, at the first one's place", () => {
    expect(written(parseJson(String.raw`{"a\"":1,"b":2,"a\"":3}`))).toBe(String.raw`{"a\"":3,"b":2}`);
  });

  test.each(["", "{", String.raw`{"a\"":}`, String.raw`{"a\x":1}`])("throws what JSON.parse throws at %j", (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });
});

import { describe, expect, test } from "vitest";
import { parseText } from "./template.ts";

const partsOf = (text: string) => {
  const parsed = parseText(text);
  return parsed.kind === "template"
    ? parsed.parts.map((part) => (part.kind === "text" ? part.text : `<${part.source}@${part.offset}>`))
    : parsed;
};

describe("parseText", () => {
  test("reads a string beginning with = as one expression", () => {
    expect(parseText("=input.a & '{{'")).toEqual({ kind: "expression", source: "input.a & '{{'", offset: 1 });
  });

  test("leaves other text alone", () => {
    expect(parseText("a = b } }} { x")).toEqual({ kind: "literal", text: "a = b } }} { x" });
  });

  test("unescapes a leading \\= and every \\{{", () => {
    expect(parseText("\\=1+1")).toEqual({ kind: "literal", text: "=1+1" });
    expect(parseText("a \\{{b}} \\{{c}}")).toEqual({ kind: "literal", text: "a {{b}} {{c}}" });
    expect(partsOf("\\=\\{{x}}{{ y }}")).toEqual(["={{", "x}}", "< y @10>"]);
  });

  test("splits text and expressions, and knows where each begins", () => {
    expect(partsOf("a{{b}}c{{d}}")).toEqual(["a", "<b@3>", "c", "<d@9>"]);
    expect(partsOf("{{b}}")).toEqual(["<b@2>"]);
  });

  test.each([
    ['{{ {"a": {"b": 1}} }}', ['< {"a": {"b": 1}} @2>']],
    ["{{ \"}}\" & '}}' }}!", ["< \"}}\" & '}}' @2>", "!"]],
    ["{{ `}}` /* }} */ }}", ["< `}}` /* }} */ @2>"]],
    ['{{ $replace(a, /}}"/, "") }}', ['< $replace(a, /}}"/, "") @2>']],
    ['{{ a / b }} "', ["< a / b @2>", ' "']],
    ['{{ "a\\"}}" }}', ['< "a\\"}}" @2>']],
  ])("finds the end of %s behind what is quoted", (text, parts) => {
    expect(partsOf(text)).toEqual(parts);
  });

  test.each(["a {{ b", "a {{ b }", 'a {{ "b }}', "a {{ /* }}", "a {{ `b }}", "a {{ b } }"])("refuses %s", (text) => {
    expect(parseText(text)).toMatchObject({ kind: "broken", position: 2 });
  });
});

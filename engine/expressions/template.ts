/**
 * How a string of a definition is read.
 *
 * - `=expr`: the whole rest is one expression, and its value is the value of the field.
 * - `text {{ expr }} text`: a template; the result is always a string.
 * - A leading `\=` gives a literal `=`, and `\{{` a literal `{{`.
 * - Anything else is a literal.
 */
export type TextPart =
  | { kind: "text"; text: string }
  /** `offset` is where the source begins inside the whole string. */
  | { kind: "expression"; source: string; offset: number };

export type ParsedText =
  | { kind: "literal"; text: string }
  | { kind: "expression"; source: string; offset: number }
  | { kind: "template"; parts: readonly TextPart[] }
  | { kind: "broken"; message: string; position: number };

export function parseText(text: string): ParsedText {
  if (text.startsWith("=")) return { kind: "expression", source: text.slice(1), offset: 1 };
  const start = text.startsWith("\\=") ? 1 : 0;
  if (!text.includes("{{", start)) return { kind: "literal", text: text.slice(start) };
  const parts = splitTemplate(text, start);
  if (!Array.isArray(parts)) return parts;
  if (parts.some((part) => part.kind === "expression")) return { kind: "template", parts };
  return { kind: "literal", text: parts.map((part) => (part.kind === "text" ? part.text : "")).join("") };
}

function splitTemplate(text: string, start: number): TextPart[] | { kind: "broken"; message: string; position: number } {
  const parts: TextPart[] = [];
  let position = start;
  for (let open = text.indexOf("{{", position); open !== -1; open = text.indexOf("{{", position)) {
    if (open > start && text[open - 1] === "\\") {
      parts.push({ kind: "text", text: `${text.slice(position, open - 1)}{{` });
      position = open + 2;
      continue;
    }
    const close = findClose(text, open + 2);
    if (close === -1) {
      return { kind: "broken", message: "`{{` has no closing `}}`; write `\\{{` for a literal `{{`", position: open };
    }
    if (open > position) parts.push({ kind: "text", text: text.slice(position, open) });
    parts.push({ kind: "expression", source: text.slice(open + 2, close), offset: open + 2 });
    position = close + 2;
  }
  if (position < text.length) parts.push({ kind: "text", text: text.slice(position) });
  return parts;
}

const REGEX_MAY_FOLLOW = new Set(["", "(", ",", "=", ":", "[", "{", "?", "&", "|", "+", "-", "*", "<", ">", "~", ";", "!", "^"]);

/** Offset of the `}}` that ends the expression, or -1. Braces, strings, names, comments and regular expressions inside it are skipped. */
function findClose(text: string, from: number): number {
  let depth = 0;
  let before = "";
  for (let at = from; at < text.length; at++) {
    const char = text[at] ?? "";
    if (char === "}" && depth === 0) return text[at + 1] === "}" ? at : -1;
    const end = skipQuoted(text, at, before);
    if (end === -1) return -1;
    if (char === "{") depth++;
    if (char === "}") depth--;
    at = end;
    if (!/\s/.test(char)) before = char;
  }
  return -1;
}

/** Offset of the last character of what is quoted from `at` on; `at` itself when nothing is; -1 when it never ends. */
function skipQuoted(text: string, at: number, before: string): number {
  const char = text[at];
  if (char === "`") return text.indexOf("`", at + 1);
  if (char === '"' || char === "'") return endOfEscaped(text, at, char);
  if (char === "/" && text[at + 1] === "*") {
    const end = text.indexOf("*/", at + 2);
    return end === -1 ? -1 : end + 1;
  }
  return char === "/" && REGEX_MAY_FOLLOW.has(before) ? endOfEscaped(text, at, "/") : at;
}

function endOfEscaped(text: string, from: number, quote: string): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === quote) return at;
  }
  return -1;
}

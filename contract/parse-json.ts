import type { Json } from "./common.ts";

/** The last escape of a string that names a member. Also finds what only looks like one. */
const ESCAPED_NAME = /\\.[^"\\]*"\s*:/s;

/**
 * `JSON.parse` with the names of members as they were written. V8 compares a name that holds an escape before it is decoded with
 * names it has seen at the same place of other objects, so that after `{"a\\": 1}` every `{"a\"": 1}` of the process is
 * read as the former (nodejs/node#63785). Throws what `JSON.parse` throws, and a `RangeError` where such names are nested too deep.
 */
export function parseJson(text: string): ReturnType<typeof JSON.parse> {
  const value: Json = JSON.parse(text);
  return text.includes("\\") && ESCAPED_NAME.test(text) ? parseNumbered(text) : value;
}

/** A value as JSON carries it: members that are `undefined` are dropped, nothing is shared. Throws where nothing is left. */
export const copyJson = (value: unknown): Json => parseJson(JSON.stringify(value));

/** Names are read as values are, which V8 decodes well; meanwhile numbers stand for them in the objects. */
function parseNumbered(text: string): Json {
  const names: string[] = [];
  let numbered = "";
  let copied = 0;
  let start = text.indexOf('"');
  while (start !== -1) {
    const end = endOfString(text, start);
    COLON.lastIndex = end;
    if (COLON.test(text)) {
      numbered += `${text.slice(copied, start)}"${names.length}"`;
      names.push(JSON.parse(text.slice(start, end)));
      copied = end;
    }
    start = text.indexOf('"', end);
  }
  return named(JSON.parse(numbered + text.slice(copied)), names);
}

const COLON = /\s*:/y;

/** Index after the quote that ends the string which starts at `start`, in JSON that was found to be valid. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function named(value: Json, names: readonly string[]): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => named(item, names));
  // `fromEntries` defines its properties, so that a name `__proto__` stays a name.
  return Object.fromEntries(Object.entries(value).map(([number, item]) => [names[Number(number)] ?? "", named(item, names)]));
}

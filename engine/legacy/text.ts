/* Old texts and values in the language of expressions. */
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";

/** A value of the old definition that must not be read as an expression, whatever it contains. */
export function literal(value: Json): Json {
  if (typeof value === "string") return literalText(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(literal);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, literal(member)]));
}

const literalText = (text: string): string => escapeStart(text.replaceAll("{{", "\\{{"));
const escapeStart = (text: string): string => (text.startsWith("=") ? `\\${text}` : text);

/** The value at a dotted path, as an expression. */
export const lookup = (bag: string, path: string): string =>
  path.split(".").reduce((value, key) => `$lookup(${value}, ${JSON.stringify(key)})`, bag);

const PLACEHOLDER = /\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}|\{([A-Za-z_][\w.]*)\}/g;

/** A prompt with its `{{name}}` and `{name}` filled in from the bag; what is not there stays as it was written. */
export function fillIn(text: string, bag: string): string {
  let filled = "";
  let from = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    // Too long for any text of a definition already, which will be said of it.
    if (filled.length > LIMITS.bodyBytes) break;
    const [whole, doubled, single] = match;
    const value = lookup(bag, doubled ?? single ?? "");
    filled += `${text.slice(from, match.index).replaceAll("{{", "\\{{")}{{($v := ${value}; $exists($v) ? $v : ${JSON.stringify(whole)})}}`;
    from = match.index + whole.length;
  }
  return escapeStart(filled + text.slice(from).replaceAll("{{", "\\{{"));
}

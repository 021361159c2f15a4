import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";

/**
 * RFC 6570, all four levels, for expansion. Of an address only the fixed ends of a template are looked for, so there is no
 * expression whose evaluation could take long. Time and result grow with the length of template and values, and both are bounded.
 */
export type Variables = Readonly<Record<string, string | readonly string[]>>;

type Operator = { first: string; separator: string; isNamed: boolean; ifEmpty: string; allowsReserved: boolean };
type Variable = { name: string; isExploded: boolean; prefix: number | undefined };
type Part = string | { operator: Operator; variables: Variable[] };

const operator = (first: string, separator: string, more: Partial<Operator> = {}): Operator => ({
  first,
  separator,
  isNamed: false,
  ifEmpty: "",
  allowsReserved: false,
  ...more,
});
const SIMPLE = operator("", ",");
const OPERATORS = new Map<string, Operator>([
  ["+", operator("", ",", { allowsReserved: true })],
  ["#", operator("#", ",", { allowsReserved: true })],
  [".", operator(".", ".")],
  ["/", operator("/", "/")],
  [";", operator(";", ";", { isNamed: true })],
  ["?", operator("?", "&", { isNamed: true, ifEmpty: "=" })],
  ["&", operator("&", "&", { isNamed: true, ifEmpty: "=" })],
]);
const VARIABLE = /^([A-Za-z0-9_.%-]{1,128})(?:(\*)|:([1-9]\d{0,3}))?$/;
const MOST_VARIABLES = 64;

/** Throws `mcp_uri_refused` for what is not a template. */
export function parseTemplate(template: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  let count = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    const literal = template.slice(at, open === -1 ? undefined : open);
    if (literal !== "") parts.push(literal);
    if (open === -1) break;
    const close = template.indexOf("}", open);
    if (close === -1) throw notTemplate("an expression is not closed");
    const part = parseExpression(template.slice(open + 1, close));
    count += part.variables.length;
    if (count > MOST_VARIABLES) throw notTemplate(`it has more than ${MOST_VARIABLES} variables`);
    parts.push(part);
    at = close + 1;
  }
  return parts;
}

function parseExpression(expression: string): { operator: Operator; variables: Variable[] } {
  const known = OPERATORS.get(expression.charAt(0));
  const names = known === undefined ? expression : expression.slice(1);
  const variables = names.split(",", MOST_VARIABLES + 1).map((spec): Variable => {
    const [, name, star, prefix] = VARIABLE.exec(spec) ?? [];
    if (name === undefined) throw notTemplate(`${JSON.stringify(spec.slice(0, 80))} is no variable`);
    return { name, isExploded: star !== undefined, prefix: prefix === undefined ? undefined : Number(prefix) };
  });
  return { operator: known ?? SIMPLE, variables };
}

export const variablesOf = (template: string): string[] => [
  ...new Set(parseTemplate(template).flatMap((part) => (typeof part === "string" ? [] : part.variables.map(({ name }) => name)))),
];

/**
 * Whether a template could have become this address: it begins and ends like the template, and has as many folders, unless
 * a variable may hold some. What is in between is the server's to say.
 */
export function couldBecome(template: string, uri: string): boolean {
  const parts = parseTemplate(template);
  const fixed = parts.map((part) => (typeof part === "string" ? encode(part, true) : ""));
  const text = fixed.join("");
  if (fixed.every((part) => part !== "")) return uri === text;
  const [begin = "", end = ""] = [fixed[0], fixed.at(-1)];
  if (uri.length < begin.length + end.length || !uri.startsWith(begin) || !uri.endsWith(end)) return false;
  const holdsFolders = parts.some((part) => typeof part !== "string" && (part.operator.allowsReserved || part.operator.first === "/"));
  return holdsFolders || uri.split("/").length === text.split("/").length;
}

/** Throws `mcp_uri_refused` when the result would be too long. */
export function expandTemplate(template: string, values: Variables): string {
  const uri = parseTemplate(template)
    .map((part) => (typeof part === "string" ? encode(part, true) : expandExpression(part, values)))
    .join("");
  if (uri.length <= LIMITS.mcpUriChars) return uri;
  throw new AppError("mcp_uri_refused", `The address would be longer than ${LIMITS.mcpUriChars} characters.`);
}

function expandExpression({ operator: how, variables }: Exclude<Part, string>, values: Variables): string {
  const expanded = variables.flatMap((variable) => {
    const value = Object.hasOwn(values, variable.name) ? values[variable.name] : undefined;
    return value === undefined || (typeof value !== "string" && value.length === 0) ? [] : [expandVariable(how, variable, value)];
  });
  return expanded.length === 0 ? "" : how.first + expanded.join(how.separator);
}

function expandVariable(how: Operator, { name, isExploded, prefix }: Variable, value: string | readonly string[]): string {
  const named = (text: string): string => (how.isNamed ? name + (text === "" ? how.ifEmpty : `=${text}`) : text);
  if (typeof value === "string")
    return named(encode(prefix === undefined ? value : Array.from(value).slice(0, prefix).join(""), how.allowsReserved));
  const items = value.map((item) => encode(item, how.allowsReserved));
  return isExploded ? items.map(named).join(how.separator) : named(items.join(","));
}

/** Reserved characters and what is encoded already stay where they are allowed. */
function encode(text: string, allowsReserved: boolean): string {
  const wellFormed = text.toWellFormed();
  if (!allowsReserved) return strict(encodeURIComponent(wellFormed));
  return encodeURI(wellFormed)
    .replace(/%25([0-9A-Fa-f]{2})/g, "%$1")
    .replace(/%5B/g, "[")
    .replace(/%5D/g, "]");
}

const strict = (encoded: string): string => encoded.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const notTemplate = (why: string): AppError => new AppError("mcp_uri_refused", `This is no URI template of RFC 6570: ${why}.`);

import { LIMITS } from "#contract/limits.ts";
import { ExpressionFailure, tooLarge } from "./errors.ts";
import { MAX_SEQUENCE } from "./plain-values.ts";
import type { Evaluation } from "./evaluation.ts";

/**
 * Arguments that make JSONata's own functions build huge values, or loop for ever, before anything could stop them. Lengths of
 * text arguments are checked for every function already.
 */
type Check = (args: readonly unknown[], evaluation: Evaluation) => void;

const MAX_TEXT = LIMITS.expressionResultBytes;
const MAX_PICTURE = 256;
const textTooLarge = () => tooLarge(`Expected texts of at most ${MAX_TEXT} characters.`);
const refused = (message: string) => new ExpressionFailure("expression_failed", message);
const lengthOf = (value: unknown) => (typeof value === "string" || Array.isArray(value) ? value.length : 0);

function checkPad([, width, filler]: readonly unknown[]): void {
  if (typeof width === "number" && Math.abs(width) * Math.max(1, lengthOf(filler)) > MAX_TEXT) throw textTooLarge();
}

function checkJoin([texts, separator]: readonly unknown[], evaluation: Evaluation): void {
  if (evaluation.weightOf(texts) + lengthOf(texts) * lengthOf(separator) > 2 * MAX_TEXT) throw textTooLarge();
}

function checkText([value]: readonly unknown[], evaluation: Evaluation): void {
  if (evaluation.weightOf(value) > 2 * MAX_TEXT) throw textTooLarge();
}

function checkZip(args: readonly unknown[]): void {
  if (Math.min(...args.map(lengthOf)) * args.length > MAX_SEQUENCE) throw tooLarge(`Expected at most ${MAX_SEQUENCE} members.`);
}

/** A picture can ask for any width (`[Y,1000000]`), and an infinite number is scaled down for ever. */
function checkPicture(args: readonly unknown[]): void {
  if (typeof args[0] === "number" && !Number.isFinite(args[0])) throw refused(`Number out of range: ${args[0]}`);
  for (const picture of args.slice(1)) {
    if (typeof picture !== "string") continue;
    if (picture.length > MAX_PICTURE) throw refused(`Expected a picture of at most ${MAX_PICTURE} characters.`);
    if (/[,-]\d{3,}/.test(picture.replaceAll(/\s/g, ""))) throw refused("Expected widths below 100 in the picture.");
  }
}

/** An empty separator would be found for ever. */
function checkNumberFormat(args: readonly unknown[]): void {
  checkPicture(args);
  const options = args[2];
  if (typeof options !== "object" || options === null) return;
  for (const [name, symbol] of Object.entries(options)) {
    const isSymbol = typeof symbol === "string" && symbol.length > 0 && symbol.length <= 16;
    if (!isSymbol) throw refused(`Expected a text of 1 to 16 characters for the option ${JSON.stringify(name.slice(0, 40))}.`);
  }
}

const MAX_DATE_CHARS = 64;
const MAX_DATE_PARTS = 10;

/**
 * The picture becomes a regular expression of the backtracking kind, so what is parsed must be short, and two parts of unknown
 * width must have something between them that is in neither.
 */
function checkDate(args: readonly unknown[]): void {
  checkPicture(args);
  const [text, picture] = args;
  if (typeof picture !== "string") return;
  if (lengthOf(text) > MAX_DATE_CHARS) throw refused(`Expected a date of at most ${MAX_DATE_CHARS} characters.`);
  const parts = picture.split("]");
  if (parts.length - 1 > MAX_DATE_PARTS) throw refused(`Expected at most ${MAX_DATE_PARTS} parts in the picture.`);
  const unclear = parts.slice(1, -1).filter((part, at) => !/^[^[A-Za-z0-9]/.test(part) && !/\d\d/.test(parts[at] ?? ""));
  const words = parts.filter((part) => /w/i.test(part.slice(part.indexOf("[") + 2)));
  if (unclear.length + words.length > 2) throw refused("Expected separators between the parts of the picture.");
}

export const NATIVE_CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ["pad", checkPad],
  ["join", checkJoin],
  ["string", checkText],
  ["clone", checkText],
  ["zip", checkZip],
  ["formatNumber", checkNumberFormat],
  ["formatInteger", checkPicture],
  ["parseInteger", checkPicture],
  ["fromMillis", checkPicture],
  ["now", (args) => checkPicture([undefined, ...args])],
  ["toMillis", checkDate],
]);

import { startOf } from "./ast.ts";
import { ExpressionFailure, type ExpressionCode } from "./errors.ts";

/** Over the time, and ranges and sequences beyond their limit. */
const CODES: ReadonlyMap<string, ExpressionCode> = new Map([
  ["D1011", "expression_too_large"],
  ["D1012", "expression_timeout"],
  ["D2014", "expression_too_large"],
  ["D2015", "expression_too_large"],
]);
const MAX_MESSAGE_CHARS = 300;

/** JSONata throws plain objects with a code, a message, and the offset behind the token. */
export function failureOf(thrown: unknown, source: string, otherwise: ExpressionCode): ExpressionFailure {
  if (thrown instanceof RangeError) {
    return new ExpressionFailure("expression_too_large", `The expression needs too much: ${thrown.message}.`);
  }
  const { code, message, position, token } = detailsOf(thrown);
  const text = message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}…` : message;
  // What our own functions throw has its code, but gets its position and token from JSONata too.
  const failure = thrown instanceof ExpressionFailure ? thrown.code : (CODES.get(code) ?? otherwise);
  return new ExpressionFailure(failure, text, position === undefined ? undefined : startOf(source, position, token));
}

type Details = { code: string; message: string; position?: number; token?: string };

function detailsOf(thrown: unknown): Details {
  const details: Details = { code: "", message: "The expression could not be computed." };
  if (typeof thrown !== "object" || thrown === null) return details;
  if ("code" in thrown && typeof thrown.code === "string") details.code = thrown.code;
  if ("message" in thrown && typeof thrown.message === "string" && thrown.message !== "") details.message = thrown.message;
  if ("position" in thrown && typeof thrown.position === "number") details.position = thrown.position;
  if ("token" in thrown && typeof thrown.token === "string") details.token = thrown.token;
  return details;
}

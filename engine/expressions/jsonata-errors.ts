import { startOf } from "./ast.ts";
import { ExpressionFailure, type ExpressionCode } from "./errors.ts";

const TIMEOUT = "D1012";
/** Ranges and sequences beyond their limit. */
const TOO_LARGE = new Set(["D2014", "D2015"]);
const MAX_MESSAGE_CHARS = 300;

/** JSONata throws plain objects with a code, a message, and the offset behind the token. */
export function failureOf(thrown: unknown, source: string, otherwise: ExpressionCode): ExpressionFailure {
  if (thrown instanceof ExpressionFailure) return thrown;
  if (thrown instanceof RangeError)
    return new ExpressionFailure("expression_too_large", `The expression needs too much: ${thrown.message}.`);
  const { code, message, position, token } = detailsOf(thrown);
  const failure = code === TIMEOUT ? "expression_timeout" : TOO_LARGE.has(code) ? "expression_too_large" : otherwise;
  const text = message.length > MAX_MESSAGE_CHARS ? `${message.slice(0, MAX_MESSAGE_CHARS)}…` : message;
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

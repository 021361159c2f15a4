import { LIMITS } from "#contract/limits.ts";
import { tooLarge } from "./errors.ts";
import { deepEqual, failed, isList, isNumeric, stringOf, type Value } from "./plain-values.ts";

type Operation = (left: Value, right: Value, position: number | undefined) => Value;

const quoted = (value: Value) => {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

const arithmetic =
  (token: string, compute: (left: number, right: number) => number): Operation =>
  (left, right, position) => {
    if (left !== undefined && !isNumeric(left))
      throw failed(`The left side of the "${token}" operator must evaluate to a number`, position);
    if (right !== undefined && !isNumeric(right))
      throw failed(`The right side of the "${token}" operator must evaluate to a number`, position);
    return left === undefined || right === undefined ? undefined : compute(left, right);
  };

const isComparable = (value: Value) => value === undefined || typeof value === "string" || typeof value === "number";

const comparison =
  (token: string, compare: (left: string | number, right: string | number) => boolean): Operation =>
  (left, right, position) => {
    if (!isComparable(left) || !isComparable(right)) {
      throw failed(`The expressions either side of operator "${token}" must evaluate to numeric or string values`, position);
    }
    if (typeof left === "number" && typeof right === "number") return compare(left, right);
    if (typeof left === "string" && typeof right === "string") return compare(left, right);
    if (left === undefined || right === undefined) return undefined;
    throw failed(
      `The values ${quoted(left)} and ${quoted(right)} either side of operator "${token}" must be of the same data type`,
      position,
    );
  };

function concatenate(left: Value, right: Value): string {
  const text = stringOf(left) + stringOf(right);
  if (text.length > LIMITS.expressionResultBytes) throw tooLarge(`Expected a text of at most ${LIMITS.expressionResultBytes} characters.`);
  return text;
}

function includes(left: Value, right: Value): boolean {
  if (left === undefined || right === undefined) return false;
  return isList(right) ? right.includes(left) && !Number.isNaN(left) : right === left;
}

/** Operators whose two sides are always both computed. */
export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ["+", arithmetic("+", (left, right) => left + right)],
  ["-", arithmetic("-", (left, right) => left - right)],
  ["*", arithmetic("*", (left, right) => left * right)],
  ["/", arithmetic("/", (left, right) => left / right)],
  ["%", arithmetic("%", (left, right) => left % right)],
  ["=", (left, right) => left !== undefined && right !== undefined && deepEqual(left, right)],
  ["!=", (left, right) => left !== undefined && right !== undefined && !deepEqual(left, right)],
  ["<", comparison("<", (left, right) => left < right)],
  ["<=", comparison("<=", (left, right) => left <= right)],
  [">", comparison(">", (left, right) => left > right)],
  [">=", comparison(">=", (left, right) => left >= right)],
  ["&", concatenate],
  ["in", includes],
]);

import { ExpressionFailure } from "./errors.ts";

/** What an expression works with on the way: JSON, but with nothing and infinite numbers in it. Never changed once made. */
export type Value = string | number | boolean | null | undefined | readonly Value[] | { readonly [key: string]: Value };

/** `Array.isArray` does not narrow read-only arrays. */
export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

/** Results of more members than this are refused; JSONata is given the same limit. */
export const MAX_SEQUENCE = 100_000;

export const failed = (message: string, position?: number) => new ExpressionFailure("expression_failed", message, position);

const sequenceTooLong = () => new ExpressionFailure("expression_too_large", `The maximum sequence length of ${MAX_SEQUENCE} was exceeded.`);

export function checkSequence<T extends readonly unknown[]>(items: T): T {
  if (items.length > MAX_SEQUENCE) throw sequenceTooLong();
  return items;
}

/** NaN is not a number here; an infinite one is an error, as in JSONata. */
export function isNumeric(value: Value): value is number {
  if (typeof value !== "number" || Number.isNaN(value)) return false;
  if (!Number.isFinite(value)) throw failed("Number out of range: null");
  return true;
}

/** JSONata's `$boolean`, where nothing is false. */
export function isTruthy(value: Value): boolean {
  // Not `some`: JSONata looks at every member, and an infinite one is an error wherever it stands.
  if (isList(value)) return value.length === 1 ? isTruthy(value[0]) : value.filter(isTruthy).length > 0;
  if (typeof value === "string") return value.length > 0;
  if (typeof value === "number") return isNumeric(value) && value !== 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value === true;
}

/** JSONata's `$string`; nothing becomes the empty string. Numbers are rounded to 15 digits. */
export function stringOf(value: Value): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw failed("Attempting to invoke string function on Infinity or NaN");
  }
  return JSON.stringify(value, (_key, member: Value) => (isNumeric(member) ? rounded(member) : member));
}

const rounded = (value: number) => (Number.isInteger(value) ? value : Number(value.toPrecision(15)));

export function deepEqual(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (isList(left)) {
    return isList(right) && left.length === right.length && left.every((item, index) => deepEqual(item, right[index]));
  }
  if (isList(right)) return false;
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => Object.hasOwn(right, key) && deepEqual(left[key], right[key]));
}

/** A member by name: only an object's own one, so that `constructor` and `__proto__` find nothing. */
export function ownMember(value: Value, name: string): Value {
  return typeof value === "object" && value !== null && !isList(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

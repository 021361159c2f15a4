import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { ExpressionFailure, tooLarge } from "./errors.ts";
import { isList, type Value } from "./plain-values.ts";

export type JsonObject = { [key: string]: Json };

/** Sets an own property whatever its name is: `__proto__` becomes data, as in JSON.parse. */
export function setOwn<T>(target: { [key: string]: T }, key: string, value: T): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

/** UTF-8 bytes of a text; counting stops once it is beyond `limit`. */
export function byteLength(text: string, limit: number): number {
  if (text.length > limit) return text.length;
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) continue;
    // A surrogate pair is four bytes: two for each half.
    bytes += code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 1 : 2;
  }
  return bytes;
}

/**
 * A copy of an expression's result as plain JSON, as if it had gone through JSON once: no sequence flags, no prototypes of the
 * library, no shared parts, -0 is 0. Throws `ExpressionFailure` for what JSON cannot say, and for more than a result may hold.
 */
export function plainJson(value: unknown): Json {
  return new PlainCopy().copy(value, LIMITS.jsonDepth);
}

class PlainCopy {
  #bytesLeft: number = LIMITS.expressionResultBytes;

  copy(value: unknown, depthLeft: number): Json {
    if (typeof value === "string") {
      this.#spend(byteLength(value, this.#bytesLeft) + 2);
      return value;
    }
    if (typeof value === "number") return this.#number(value);
    if (value === null || typeof value === "boolean") {
      this.#spend(4);
      return value;
    }
    if (typeof value !== "object")
      throw new ExpressionFailure("expression_failed", `The result holds ${nameOf(value)}, which is not JSON.`);
    if (depthLeft === 0) throw tooLarge(`The result is nested more than ${LIMITS.jsonDepth} deep.`);
    if (Array.isArray(value)) {
      this.#spend(2 + value.length);
      const items: readonly unknown[] = value;
      return Array.from(items, (item) => this.copy(item, depthLeft - 1));
    }
    if (isFunctionObject(value)) throw new ExpressionFailure("expression_failed", "The result holds a function, which is not JSON.");
    return this.#object(value, depthLeft);
  }

  #number(value: number): number {
    if (!Number.isFinite(value)) throw new ExpressionFailure("expression_failed", `The result holds ${value}, which is not JSON.`);
    this.#spend(8);
    return value === 0 ? 0 : value;
  }

  #object(value: object, depthLeft: number): JsonObject {
    const copy: JsonObject = {};
    this.#spend(2);
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue;
      this.#spend(byteLength(key, this.#bytesLeft) + 4);
      setOwn(copy, key, this.copy(member, depthLeft - 1));
    }
    return copy;
  }

  #spend(bytes: number): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) throw tooLarge(`Expected a result of at most ${LIMITS.expressionResultBytes} bytes.`);
  }
}

const nameOf = (value: unknown) => (value === undefined ? "a missing value" : `a ${typeof value}`);

/** JSONata's functions and lambdas are objects with a mark. */
export const isFunctionObject = (value: object) => "_jsonata_function" in value || "_jsonata_lambda" in value;

/**
 * Whether a value is plain JSON already, and small and flat enough without counting exactly. False means: ask `plainJson`.
 * Much cheaper than copying, and almost always true.
 */
export function isPlain(value: Value): value is Json {
  return plainBytes(value, LIMITS.jsonDepth) <= LIMITS.expressionResultBytes;
}

/** An upper bound of what `PlainCopy` would count; infinite for what is not plain. */
function plainBytes(value: Value, depthLeft: number): number {
  if (typeof value === "string") return value.length * 3 + 2;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? 8 : Infinity;
  if (value === null || typeof value === "boolean") return 4;
  if (value === undefined || depthLeft === 0) return Infinity;
  let bytes = 2;
  if (isList(value)) {
    for (const item of value) bytes += 1 + plainBytes(item, depthLeft - 1);
    return bytes;
  }
  for (const key of Object.keys(value)) bytes += key.length * 3 + 4 + plainBytes(value[key], depthLeft - 1);
  return bytes;
}

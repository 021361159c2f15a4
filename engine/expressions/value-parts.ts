import type { Json } from "#contract/common.ts";
import { ExpressionError, ExpressionFailure, tooLarge, type ExpressionPlace } from "./errors.ts";
import { byteLength, setOwn, type JsonObject } from "./plain-json.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Roots } from "./roots.ts";

export type Eventually<T> = T | Promise<T>;
export type Compute = (roots: Roots) => Eventually<Json | undefined>;
/** One value of a definition: what it is without computing, or how to compute it. */
export type Part = { literal: Json } | { compute: Compute };

export const computeOf = (part: Part): Compute => ("literal" in part ? () => part.literal : part.compute);

export function arrayPart(items: readonly Part[]): Part {
  if (items.every((item) => "literal" in item)) return { literal: items.map((item) => item.literal) };
  const computes = items.map(computeOf);
  const join = (values: readonly (Json | undefined)[]): Json => values.map((value) => value ?? null);
  return { compute: (roots) => allOf(computes, roots, join) };
}

export function objectPart(members: readonly (readonly [string, Part])[]): Part {
  const keys = members.map(([key]) => key);
  const join = (values: readonly (Json | undefined)[]): Json => {
    const object: JsonObject = {};
    for (const [index, key] of keys.entries()) {
      const value = values[index];
      if (value !== undefined) setOwn(object, key, value);
    }
    return object;
  };
  const literals = members.flatMap(([, part]) => ("literal" in part ? [part.literal] : []));
  if (literals.length === members.length) return { literal: join(literals) };
  const computes = members.map(([, part]) => computeOf(part));
  return { compute: (roots) => allOf(computes, roots, join) };
}

/** Text and expressions in turn; always gives a string. */
export function templatePart(parts: readonly Part[], place: ExpressionPlace): Part {
  const computes = parts.map(computeOf);
  const join = (values: readonly (Json | undefined)[]): Json => {
    const text = values.map(textOf).join("");
    if (byteLength(text, LIMITS.expressionResultBytes) > LIMITS.expressionResultBytes) {
      return fail(tooLarge(`Expected a text of at most ${LIMITS.expressionResultBytes} bytes.`), place, 0);
    }
    return text;
  };
  return { compute: (roots) => allOf(computes, roots, join) };
}

export function textOf(value: Json | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Computes in order; becomes asynchronous at the first part that is. */
export function allOf<T extends Json | undefined>(
  computes: readonly Compute[],
  roots: Roots,
  join: (values: readonly (Json | undefined)[]) => T,
): Eventually<T> {
  const values: (Json | undefined)[] = [];
  for (const compute of computes) {
    const value = compute(roots);
    if (value instanceof Promise) return remaining(computes, roots, { values, value }).then(join);
    values.push(value);
  }
  return join(values);
}

async function remaining(
  computes: readonly Compute[],
  roots: Roots,
  soFar: { values: (Json | undefined)[]; value: Promise<Json | undefined> },
): Promise<(Json | undefined)[]> {
  const values = soFar.values;
  values.push(await soFar.value);
  while (values.length < computes.length) values.push(await computes[values.length]?.(roots));
  return values;
}

/** Runs an expression; what fails in it is told with the place where it stands. `offset` is where its source begins there. */
export function located(compute: Compute, place: ExpressionPlace, offset: number): Compute {
  return (roots) => {
    try {
      const value = compute(roots);
      return value instanceof Promise ? value.catch((error: unknown) => fail(error, place, offset)) : value;
    } catch (error) {
      return fail(error, place, offset);
    }
  };
}

export function fail(error: unknown, place: ExpressionPlace, offset: number): never {
  if (!(error instanceof ExpressionFailure)) throw error;
  const position = error.position === undefined ? undefined : error.position + offset;
  throw new ExpressionError(error.message, { ...place, code: error.code, position });
}

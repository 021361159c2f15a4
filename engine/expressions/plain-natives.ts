import { NeedsJsonata } from "./errors.ts";
import { directNative } from "./natives.ts";
import type { Closure } from "./plain-path.ts";
import { isList, type Value } from "./plain-values.ts";

/**
 * Functions that compute something from their arguments alone, at once, without changing them, and how many arguments they need
 * so that none is taken from the context.
 */
const ARGUMENTS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    abs: 1,
    append: 2,
    average: 1,
    base64decode: 1,
    base64encode: 1,
    boolean: 1,
    ceil: 1,
    count: 1,
    decodeUrl: 1,
    decodeUrlComponent: 1,
    encodeUrl: 1,
    encodeUrlComponent: 1,
    floor: 1,
    formatBase: 1,
    formatNumber: 2,
    fromMillis: 1,
    join: 1,
    keys: 1,
    length: 1,
    lookup: 2,
    lowercase: 1,
    max: 1,
    merge: 1,
    min: 1,
    not: 1,
    number: 1,
    pad: 2,
    power: 2,
    reverse: 1,
    round: 1,
    sqrt: 1,
    string: 1,
    substring: 2,
    substringAfter: 2,
    substringBefore: 2,
    sum: 1,
    trim: 1,
    type: 1,
    uppercase: 1,
    zip: 1,
  }),
);

export function nativeClosure(name: string, args: readonly Closure[], keepArray: boolean): Closure | undefined {
  const needed = ARGUMENTS.get(name);
  if (needed === undefined || args.length < needed) return undefined;
  const native = directNative(name);
  return (context, roots) => {
    const values = args.map((arg) => arg(context, roots));
    try {
      // At the top the context is an object, whatever is in it.
      return settled(native(values, context ?? {}), keepArray);
    } catch {
      // It did not like its arguments, and the reasons are words that only JSONata has.
      throw new NeedsJsonata();
    }
  };
}

/** What JSONata makes of a function's result: a sequence of one is that one, and of none nothing. */
function settled(result: unknown, keepArray: boolean): Value {
  if (!isValue(result)) throw new NeedsJsonata();
  if (!isList(result) || !("sequence" in result)) return result;
  if (result.length === 0) return undefined;
  return result.length === 1 && !keepArray ? result[0] : [...result];
}

/** Given values, these functions give values. */
const isValue = (result: unknown): result is Value => typeof result !== "function" && typeof result !== "symbol";

import type jsonata from "jsonata";
import { ExpressionFailure } from "./errors.ts";
import { checkTime, evaluationOf } from "./evaluation.ts";
import { deepEqual, type Value } from "./plain-values.ts";

/** JSONata's functions that read the clock or chance, or whose own way takes quadratic time or memory. */
export type Native = (this: jsonata.Focus, ...args: unknown[]) => unknown;
type Originals = (name: string) => Native;

const failed = (message: string) => new ExpressionFailure("expression_failed", message);

export function nativeReplacements(original: Originals): ReadonlyMap<string, Native> {
  return new Map<string, Native>([
    ["now", now(original("fromMillis"))],
    ["millis", millis],
    ["random", random],
    ["shuffle", shuffle],
    ["toMillis", toMillis(original("toMillis"))],
    ["sort", sort],
    ["distinct", distinct],
    ["spread", spread],
    ["error", raise("$error() function evaluated")],
    ["assert", assert],
  ]);
}

const now = (fromMillis: Native): Native =>
  function (picture, zone) {
    return fromMillis.call(this, evaluationOf(this.environment).now, picture, zone);
  };

const millis: Native = function () {
  return evaluationOf(this.environment).now;
};

const random: Native = function () {
  return evaluationOf(this.environment).random();
};

const shuffle: Native = function (items) {
  if (!Array.isArray(items) || items.length <= 1) return items;
  const evaluation = evaluationOf(this.environment);
  const shuffled: unknown[] = [...items];
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = Math.floor(evaluation.random() * (at + 1));
    [shuffled[at], shuffled[other]] = [shuffled[other], shuffled[at]];
  }
  return shuffled;
};

/** Parts that are missing come from the event's time; times without a zone are UTC wherever the process runs. */
const toMillis = (original: Native): Native =>
  function (text, picture) {
    const { now } = evaluationOf(this.environment);
    const zoned = typeof text === "string" && picture === undefined && /T[\d:.]+$/.test(text) ? `${text}Z` : text;
    return original.call({ ...this, environment: { ...this.environment, timestamp: new Date(now) } }, zoned, picture);
  };

const sort: Native = function (items, comparator) {
  if (!Array.isArray(items) || items.length <= 1) return items;
  const values: readonly unknown[] = items;
  if (comparator !== undefined) {
    return mergeSort(values, async (left, right) => {
      checkTime(this.environment);
      return Boolean(await call(comparator, [left, right]));
    });
  }
  if (values.every((value) => typeof value === "number")) return values.toSorted((left, right) => left - right);
  if (values.every((value) => typeof value === "string"))
    return values.toSorted((left, right) => (left > right ? 1 : left < right ? -1 : 0));
  throw failed(
    "The single argument form of the sort function can only be applied to an array of strings or an array of numbers. Use the second argument to specify a comparison function",
  );
};

/** Functions of an expression come as functions, or as lambdas, which have an `apply` of their own. */
function call(callee: unknown, args: readonly unknown[]): unknown {
  if (typeof callee === "function") return Reflect.apply(callee, undefined, args);
  const apply: unknown = typeof callee === "object" && callee !== null ? Reflect.get(callee, "apply") : undefined;
  if (typeof apply !== "function") throw failed("Attempted to invoke a non-function");
  return Reflect.apply(apply, callee, [undefined, args]);
}

type ComesAfter = (left: unknown, right: unknown) => Promise<boolean>;

/** Stable; bottom up, so that neither the stack nor the memory grows with the length. */
async function mergeSort(items: readonly unknown[], comesAfter: ComesAfter): Promise<unknown[]> {
  let sorted = [...items];
  for (let width = 1; width < sorted.length; width *= 2) {
    const merged: unknown[] = [];
    for (let start = 0; start < sorted.length; start += 2 * width) {
      const middle = start + width;
      const run = await merge(sorted.slice(start, middle), sorted.slice(middle, middle + width), comesAfter);
      for (const item of run) merged.push(item);
    }
    sorted = merged;
  }
  return sorted;
}

async function merge(left: readonly unknown[], right: readonly unknown[], comesAfter: ComesAfter): Promise<unknown[]> {
  const merged: unknown[] = [];
  let next = 0;
  for (const item of left) {
    while (next < right.length && (await comesAfter(item, right[next]))) merged.push(right[next++]);
    merged.push(item);
  }
  return [...merged, ...right.slice(next)];
}

const distinct: Native = function (items) {
  if (!Array.isArray(items) || items.length <= 1) return items;
  const values: readonly Value[] = items;
  const scalars = new Set<Value>();
  const compounds: Value[] = [];
  const kept = values.filter((value) => {
    if (typeof value !== "object" || value === null) {
      const isNew = !scalars.has(value);
      scalars.add(value);
      return isNew;
    }
    checkTime(this.environment);
    if (compounds.some((known) => deepEqual(known, value))) return false;
    compounds.push(value);
    return true;
  });
  return "sequence" in items ? sequenceOf(this, kept) : kept;
};

const spread: Native = function (value) {
  const parts = spreadOut(value);
  return Array.isArray(parts) && parts.length === 0 ? sequenceOf(this, []) : Array.isArray(value) ? parts : sequenceOf(this, parts);
};

function spreadOut(value: unknown): unknown {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => spreadOut(item) ?? []);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, member]) => Object.fromEntries([[key, member]]));
}

/** A list that JSONata treats as what it found itself: of one member it takes just that one. */
function sequenceOf(focus: jsonata.Focus, members: unknown): unknown {
  if (!Array.isArray(members)) return members;
  const create: unknown = Reflect.get(focus, "createSequence");
  const sequence: unknown = typeof create === "function" ? create() : undefined;
  if (!Array.isArray(sequence)) return members;
  for (const member of members) sequence.push(member);
  return sequence;
}

/** JSONata's own would fill `{{…}}` of the message from its error object. */
const raise = (otherwise: string): Native =>
  function (message) {
    throw failed(typeof message === "string" && message !== "" ? message : otherwise);
  };

const assert: Native = function (condition, message) {
  if (!condition) raise("$assert() statement failed").call(this, message);
};

import type jsonata from "jsonata";
import { LIMITS } from "#contract/limits.ts";
import { tooLarge } from "./errors.ts";
import { isFunctionObject } from "./plain-json.ts";
import { randomFrom } from "./random.ts";
import type { Roots } from "./roots.ts";

/**
 * What values on the way may weigh: enough to read and reshape the largest step output. Parts that a value holds several times
 * count each time, because writing it out or comparing it would visit each of them.
 */
const MAX_WEIGHT = 2 * LIMITS.stepOutputBytes;
const MAX_VALUE_DEPTH = 4 * LIMITS.jsonDepth;

/** One evaluation of one expression by JSONata: what its functions may use, and how large its values grow. */
export class Evaluation {
  readonly now: number;
  readonly random: () => number;
  /** Parts evaluated so far. */
  steps = 0;
  readonly #weights = new Map<object, number>();

  constructor(roots: Roots, source: string) {
    this.now = roots.now;
    let random: (() => number) | undefined;
    this.random = () => (random ??= randomFrom(`${roots.seed}\n${source}`))();
  }

  /** Refuses a value that has grown too large; called for everything that comes into being. */
  admit<T>(value: T): T {
    this.steps++;
    if (typeof value === "string" && value.length > LIMITS.expressionResultBytes) {
      throw tooLarge(`Expected texts of at most ${LIMITS.expressionResultBytes} characters.`);
    }
    if (this.weightOf(value) > MAX_WEIGHT) throw tooLarge("A value grew too large on the way.");
    return value;
  }

  weightOf(value: unknown): number {
    return this.#weigh(value, MAX_VALUE_DEPTH);
  }

  #weigh(value: unknown, depthLeft: number): number {
    if (typeof value === "string") return value.length + 2;
    if (typeof value !== "object" || value === null) return 8;
    const known = this.#weights.get(value);
    if (known !== undefined) return known;
    if (isFunctionObject(value)) return 8;
    if (depthLeft === 0) throw tooLarge("A value is nested too deeply.");
    let weight = 8;
    if (Array.isArray(value)) {
      const items: readonly unknown[] = value;
      for (const item of items) weight += this.#weigh(item, depthLeft - 1);
    } else {
      for (const [key, member] of Object.entries(value)) weight += key.length + 4 + this.#weigh(member, depthLeft - 1);
    }
    this.#weights.set(value, weight);
    return weight;
  }
}

/** No variable of an expression can have this name: names end at a space. */
export const EVALUATION = " evaluation";

export function evaluationOf(environment: jsonata.Environment): Evaluation {
  const found: unknown = environment.lookup(EVALUATION);
  if (!(found instanceof Evaluation)) throw new Error("An expression is evaluated outside of its evaluation.");
  return found;
}

/** Refuses to go on when the time is over. Between parts of an expression JSONata asks itself; inside a function we have to. */
export function checkTime(environment: jsonata.Environment): void {
  const base: unknown = Reflect.get(environment, "base");
  const guardrails: unknown = typeof base === "object" && base !== null ? Reflect.get(base, "guardrails") : undefined;
  if (typeof guardrails === "function") guardrails();
}

import { LIMITS } from "#contract/limits.ts";
import type { Breaker as View } from "#contract/mcp/calls.ts";

/**
 * Keeps calls away from what does not answer.
 *
 *   closed     → open       so many calls in a row without an answer
 *   open       → half_open  the pause is over: one call, the probe, is let through
 *   half_open  → closed     the probe was answered, whatever the answer says
 *   half_open  → open       it was not, and the pause is twice as long, up to a limit
 *
 * An answer is an answer: a tool that says it has failed, or refuses its arguments, is there.
 */
export class Breaker {
  readonly #limit: number;
  #failures = 0;
  #pauseMs: number = LIMITS.mcpBreakerMs;
  #openUntil: number | undefined;
  #probe: symbol | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a call may be made at this time; the one that may be made of something open is the probe. */
  lets(now: number): boolean {
    if (this.#openUntil === undefined) return true;
    return now >= this.#openUntil && this.#probe === undefined;
  }

  get isOpen(): boolean {
    return this.#openUntil !== undefined;
  }

  /**
   * A call that was let through begins. What comes back, if it is the probe, has to be shown when it ends: calls that began before are
   * none, and say nothing of it.
   */
  begin(): symbol | undefined {
    if (this.#openUntil === undefined) return undefined;
    this.#probe = Symbol("probe");
    return this.#probe;
  }

  answered(): void {
    this.#failures = 0;
    this.#pauseMs = LIMITS.mcpBreakerMs;
    this.#openUntil = undefined;
    this.#probe = undefined;
  }

  failed(now: number, probe?: symbol): void {
    this.#failures += 1;
    if (this.#openUntil === undefined) {
      if (this.#failures >= this.#limit) this.#openUntil = now + this.#pauseMs;
    } else if (this.#isProbe(probe)) {
      this.#probe = undefined;
      this.#pauseMs = Math.min(this.#pauseMs * 2, LIMITS.mcpBreakerMaxMs);
      this.#openUntil = now + this.#pauseMs;
    }
  }

  /** The call has shown nothing: it was cancelled, or never made. */
  unknown(probe: symbol | undefined): void {
    if (this.#isProbe(probe)) this.#probe = undefined;
  }

  #isProbe(probe: symbol | undefined): boolean {
    return probe !== undefined && probe === this.#probe;
  }

  retryAt(): number | undefined {
    return this.#openUntil;
  }

  view(now: number): View {
    const until = this.#openUntil;
    const state = until === undefined ? "closed" : now >= until ? "half_open" : "open";
    return { state, failures: this.#failures, retryAt: until === undefined ? null : new Date(until).toISOString() };
  }
}

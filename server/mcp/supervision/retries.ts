import { backoffDelay, type Backoff } from "#server/kernel/backoff.ts";
import type { Timings } from "./timings.ts";

type Deps = {
  timings: Pick<Timings, "restart" | "probe" | "quickFailures" | "stableAfterMs">;
  random: () => number;
  now: () => Date;
  tryAgain: () => void;
};

/** What follows a failure: another attempt after a pause, or a server that is given up but for a probe after a longer one. */
export type Next = { cause: "retry" | "give_up"; nextAttemptAt: Date };

/** When a server that has failed is tried again by itself. */
export class Retries {
  readonly #deps: Deps;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #hindered = 0;
  #givenUp = 0;
  #upSince = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** What it has done until now does not count any more. */
  forget(): void {
    this.#failures = 0;
    this.#hindered = 0;
    this.#givenUp = 0;
  }

  up(): void {
    this.#hindered = 0;
    this.#upSince = performance.now();
  }

  /** Of what was up: after a stable time it begins anew. */
  lost(): void {
    if (performance.now() - this.#upSince >= this.#deps.timings.stableAfterMs) this.forget();
  }

  failed(): Next {
    const { restart, probe, quickFailures } = this.#deps.timings;
    this.#failures += 1;
    if (this.#failures < quickFailures) return this.#after("retry", restart, this.#failures);
    this.#givenUp += 1;
    return this.#after("give_up", probe, this.#givenUp);
  }

  /** The attempt could not be made, for reasons that are not the server's: it is made until it can be. */
  hindered(): Next {
    const { restart, quickFailures } = this.#deps.timings;
    this.#hindered = Math.min(this.#hindered + 1, Math.max(1, quickFailures - 1));
    return this.#after("retry", restart, this.#hindered);
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  #after(cause: Next["cause"], backoff: Backoff, attempt: number): Next {
    const { random, now, tryAgain } = this.#deps;
    const pauseMs = backoffDelay(backoff, attempt, random());
    this.cancel();
    this.#timer = setTimeout(tryAgain, pauseMs).unref();
    return { cause, nextAttemptAt: new Date(now().getTime() + pauseMs) };
  }
}

import { atMost } from "./at-most.ts";
import type { Log } from "./log.ts";

type Stop = { name: string; stop: () => Promise<unknown> | void; patienceMs: number | undefined };

/**
 * What has been started, to be stopped in the opposite order. One failing stop is logged and does not keep the rest from
 * stopping; a second `close` gets the same promise.
 */
export class Teardown {
  readonly #stops: Stop[] = [];
  readonly #log: Log;
  #closing: Promise<void> | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** What may wait for others, as for a database that does not answer, has a patience: after that, the rest is stopped without it. */
  add(name: string, stop: Stop["stop"], patienceMs?: number): void {
    this.#stops.push({ name, stop, patienceMs });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#stopAll());
  }

  async #stopAll(): Promise<void> {
    for (const { name, stop, patienceMs } of this.#stops.toReversed()) {
      try {
        const stopping = Promise.resolve(stop());
        const isDone = patienceMs === undefined ? stopping.then(() => true) : atMost(patienceMs, stopping);
        if (!(await isDone)) this.#log.error(`stopping ${name} takes longer than ${patienceMs} ms; it is left behind`);
      } catch (error) {
        this.#log.error(`stopping ${name} failed`, { error });
      }
    }
  }
}

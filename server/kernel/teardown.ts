import type { Log } from "./log.ts";

/**
 * What has been started, to be stopped in the opposite order. One failing stop is logged and does not keep the rest from
 * stopping; a second `close` gets the same promise.
 */
export class Teardown {
  readonly #stops: { name: string; stop: () => Promise<unknown> | void }[] = [];
  readonly #log: Log;
  #closing: Promise<void> | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  add(name: string, stop: () => Promise<unknown> | void): void {
    this.#stops.push({ name, stop });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#stopAll());
  }

  async #stopAll(): Promise<void> {
    for (const { name, stop } of this.#stops.toReversed()) {
      try {
        await stop();
      } catch (error) {
        this.#log.error(`stopping ${name} failed`, { error });
      }
    }
  }
}

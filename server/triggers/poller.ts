import type { Log } from "#server/kernel/log.ts";

type Work = {
  name: string;
  pollMs: number;
  log: Log;
  /** One round. Answers whether there is more to do at once. */
  look: () => Promise<boolean>;
};

/** Looks at the database again and again, whatever else may have happened. A round that fails is logged and tried at the next. */
export class Poller {
  readonly #work: Work;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(work: Work) {
    this.#work = work;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#round = this.#look().finally(() => {
      if (this.#isStopped) return;
      this.#timer = setTimeout(() => this.start(), this.#work.pollMs);
    });
  }

  /** Lets the round under way end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #look(): Promise<void> {
    const { name, log, look } = this.#work;
    try {
      let hasMore = true;
      while (hasMore && !this.#isStopped) hasMore = await look();
    } catch (error) {
      log.warn(`${name} failed; it is tried again`, { error });
    }
  }
}

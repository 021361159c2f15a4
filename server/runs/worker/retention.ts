import { background, type Log } from "../../kernel/log.ts";
import type { Database } from "../../kernel/ports.ts";

const LOOK_MS = 60 * 60 * 1000;
const BATCH = 500;

export type RetentionDeps = { database: Database; log: Log; retentionDays: number };

/** Forgets runs that ended more than `retentionDays` days ago, with their events; now and every hour. */
export class Retention {
  readonly #deps: RetentionDeps;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #work: Promise<void> = Promise.resolve();

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  start(): void {
    const look = (): void => background(this.#deps.log, "forgetting old runs", () => (this.#work = this.#forgetAll()));
    look();
    this.#timer = setInterval(look, LOOK_MS);
    this.#timer.unref();
  }

  /** Lets the batch under way end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#work.catch(() => undefined);
  }

  /** In batches, so that no lock is held for long. */
  async #forgetAll(): Promise<void> {
    let total = 0;
    for (let gone = BATCH; gone === BATCH && !this.#isStopped; total += gone) gone = await this.#forgetSome();
    if (total > 0) this.#deps.log.info("old runs forgotten", { runs: total, retentionDays: this.#deps.retentionDays });
  }

  #forgetSome(): Promise<number> {
    const { database, retentionDays } = this.#deps;
    return database.asWorker(async (tx) => {
      const [row] = await tx.query<{ gone: number }>("select auterity_forget_runs(make_interval(days => $1), $2) as gone", [
        retentionDays,
        BATCH,
      ]);
      return row?.gone ?? 0;
    });
  }
}

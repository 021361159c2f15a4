import { background, type Log } from "../../kernel/log.ts";
import type { Database } from "../../kernel/ports.ts";
import { sweepCached } from "../store/cache.pg.ts";
import { sweepSlots } from "../store/slots.pg.ts";

const LOOK_MS = 60 * 60 * 1000;
const BATCH = 500;

export type RetentionDeps = {
  database: Database;
  log: Log;
  /** Undefined keeps finished runs for ever. */
  retentionDays: number | undefined;
};

/** Forgets what is over: runs that ended more than `retentionDays` days ago, with their events, and kept results; now and every hour. */
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
    const { database, retentionDays, log } = this.#deps;
    const runs = retentionDays === undefined ? 0 : await this.#whole(() => this.#forgetSome(retentionDays));
    if (runs > 0) log.info("old runs forgotten", { runs, retentionDays });
    await this.#whole(() => sweepCached(database, BATCH));
    await sweepSlots(database);
  }

  /** As often as there may be more. */
  async #whole(some: () => Promise<number>): Promise<number> {
    let total = 0;
    for (let gone = BATCH; gone === BATCH && !this.#isStopped; total += gone) gone = await some();
    return total;
  }

  #forgetSome(retentionDays: number): Promise<number> {
    const { database } = this.#deps;
    return database.asWorker(async (tx) => {
      const [row] = await tx.query<{ gone: number }>("select auterity_forget_runs(make_interval(days => $1), $2) as gone", [
        retentionDays,
        BATCH,
      ]);
      return row?.gone ?? 0;
    });
  }
}

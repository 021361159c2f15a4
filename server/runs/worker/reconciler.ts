import { background } from "../../kernel/log.ts";
import { claimNamed, claimNext } from "../store/claims.pg.ts";
import { findWoken, voidLeases } from "../store/leases.pg.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import type { WorkerDeps } from "./deps.ts";
import type { Worker } from "./worker.ts";

const CLAIM_BATCH = 100;

/**
 * Looks at the database whatever else may or may not have told this process: leases to renew, messages for held runs,
 * runs that are due or whose holder is silent. What happens in this process is heard at once, by `wake` and `claimSoon`.
 */
export class Reconciler {
  readonly #deps: WorkerDeps;
  readonly #worker: Worker;
  readonly #claimant: { owner: string; leaseMs: number; claimedBody: Buffer };
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> = Promise.resolve();
  #claiming: Promise<void> | undefined;
  #claimAgain = false;
  #mayHaveMore = false;
  #isStopped = false;
  #renewedAt = 0;

  constructor(deps: WorkerDeps, worker: Worker) {
    this.#deps = deps;
    this.#worker = worker;
    const owner = deps.instanceId;
    const claimedBody = deps.codec.encode({ owner }, { tenantId: "", row: "run_claimed", confidential: false });
    this.#claimant = { owner, leaseMs: deps.settings.leaseMs, claimedBody };
  }

  async start(): Promise<void> {
    if (this.#deps.settings.takeOverAtStart) await voidLeases(this.#deps.database, this.#deps.instanceId);
    // Runs that wait are taken up while the rest of the platform starts.
    background(this.#deps.log, "claiming runs", () => this.#claim());
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#tick;
    await this.#claiming;
  }

  /** A run of which somebody in this process has just written an inbox row. */
  async wake(runId: string): Promise<void> {
    if (this.#isStopped || (await this.#worker.look(runId))) return;
    await this.#take(1, () => claimNamed(this.#deps.database, this.#claimant, [runId]));
  }

  /** There is room, or something to do: claims without waiting for the next poll, if the last claim left something behind. */
  claimSoon(): void {
    if (this.#mayHaveMore && !this.#isStopped && this.#claiming === undefined) {
      background(this.#deps.log, "claiming runs", () => this.#claim());
    }
  }

  /** A run was left in the table because there was no room for it. */
  expectMore(): void {
    this.#mayHaveMore = true;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#tick = this.#look().finally(() => this.#schedule());
    }, this.#deps.settings.pollMs);
  }

  async #look(): Promise<void> {
    try {
      const { leaseMs } = this.#deps.settings;
      if (performance.now() - this.#renewedAt >= leaseMs / 4) {
        await this.#worker.renew();
        this.#renewedAt = performance.now();
      }
      for (const runId of await findWoken(this.#deps.database, this.#deps.instanceId)) await this.#worker.look(runId);
      await this.#claim();
    } catch (error) {
      this.#deps.log.warn("the reconciler could not look at the runs; it tries again", { error });
    }
  }

  /** One claim at a time; a call during one makes it look once more. */
  async #claim(): Promise<void> {
    this.#claimAgain = true;
    this.#claiming ??= this.#claimAll().finally(() => (this.#claiming = undefined));
    await this.#claiming;
  }

  async #claimAll(): Promise<void> {
    while (this.#claimAgain && !this.#isStopped) {
      this.#claimAgain = false;
      this.#mayHaveMore = await this.#take(CLAIM_BATCH, (places) => claimNext(this.#deps.database, this.#claimant, places));
      if (this.#mayHaveMore && this.#worker.held.room > 0) this.#claimAgain = true;
    }
  }

  /** Claims into places that nobody else can take meanwhile. Answers whether all of them were filled: there may be more. */
  async #take(wanted: number, claim: (places: number) => Promise<ClaimedRun[]>): Promise<boolean> {
    const { held } = this.#worker;
    const places = held.reserve(wanted);
    let resumed: Promise<void>[] = [];
    try {
      const claimed = places === 0 ? [] : await claim(places);
      resumed = claimed.map((run) => this.#worker.resume(run));
    } finally {
      held.unreserve(places);
    }
    await Promise.all(resumed);
    return resumed.length === places;
  }
}

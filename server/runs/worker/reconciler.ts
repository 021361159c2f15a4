import { setTimeout as pause } from "node:timers/promises";
import { background } from "../../kernel/log.ts";
import { claimNamed, claimNext, type Claimant } from "../store/claims.pg.ts";
import { findWoken, voidLeases } from "../store/leases.pg.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import type { WorkerDeps } from "./deps.ts";
import { sayDead } from "./give-up.ts";
import type { Worker } from "./worker.ts";

const CLAIM_BATCH = 100;
/** How long a held run makes this worker hesitate before it takes what any worker may take, and at most. */
const HESITATION_MS = 0.1;
const LONGEST_HESITATION_MS = 10;

/**
 * Looks at the database whatever else may or may not have told this process: leases to renew, messages for held runs,
 * runs that are due or whose holder is silent. What the dispatch tells is seen to at once.
 */
export class Reconciler {
  readonly #deps: WorkerDeps;
  readonly #worker: Worker;
  readonly #claimant: Claimant;
  #stopListening: () => Promise<void> = () => Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> = Promise.resolve();
  #claiming: Promise<void> | undefined;
  #claimAgain = false;
  #mayHaveMore = false;
  #mayClaim = true;
  #isStopped = false;
  #renewedAt = 0;

  constructor(deps: WorkerDeps, worker: Worker) {
    this.#deps = deps;
    this.#worker = worker;
    const owner = deps.instanceId;
    const claimedBody = deps.codec.encode({ owner }, { tenantId: "", row: "run_claimed", confidential: false });
    const { leaseMs, maxCrashes } = deps.settings;
    this.#claimant = { owner, leaseMs, claimedBody, maxCrashes, onDead: (run) => sayDead(deps, run) };
  }

  async start(): Promise<void> {
    if (this.#deps.settings.takeOverAtStart) await voidLeases(this.#deps.database, this.#deps.instanceId);
    this.#stopListening = this.#deps.dispatch.listen({
      onDue: (runs) => this.#claimDue(runs),
      onWoken: (runId) => this.#wake(runId),
      holds: (runId) => this.#worker.held.find(runId) !== undefined,
    });
    // Runs that wait are taken up while the rest of the platform starts.
    background(this.#deps.log, "claiming runs", () => this.#claim());
    this.#schedule();
  }

  /** Takes nothing more in; the leases of what is held are still kept. */
  async stopClaiming(): Promise<void> {
    this.#mayClaim = false;
    await this.#stopListening();
    await this.#claiming;
  }

  async stop(): Promise<void> {
    this.#mayClaim = false;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#tick;
    await this.#claiming;
  }

  /** There is room, or something to do: claims without waiting for the next poll, if the last claim left something behind. */
  claimSoon(): void {
    if (this.#mayHaveMore && this.#mayClaim && this.#claiming === undefined) {
      background(this.#deps.log, "claiming runs", () => this.#claim());
    }
  }

  /** As far as is known, runs wait in the table. */
  get mayHaveMore(): boolean {
    return this.#mayHaveMore;
  }

  /** A run was left in the table because there was no room for it. */
  expectMore(): void {
    this.#mayHaveMore = true;
  }

  /** Only so many: others hear of the rest, and those with less in hand are quicker. */
  async #claimDue(runs: number): Promise<void> {
    const hesitationMs = Math.min(this.#worker.held.count * HESITATION_MS, LONGEST_HESITATION_MS);
    if (hesitationMs >= 1) await pause(hesitationMs);
    if (!this.#mayClaim) return;
    // Who takes one takes what waits with it, so that starts need not wait behind it for long.
    if (this.#mayHaveMore && this.#worker.held.room > 0) return this.#claim();
    const places = Math.min(runs, this.#worker.held.room);
    if (places < runs) this.#mayHaveMore = true;
    await this.#take(places, (granted) => claimNext(this.#deps.database, this.#claimant, granted));
  }

  async #wake(runId: string): Promise<boolean> {
    if (!this.#mayClaim) return false;
    if (await this.#worker.look(runId)) return true;
    const { claimed } = await this.#take(1, () => claimNamed(this.#deps.database, this.#claimant, [runId]));
    return claimed.length > 0;
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
      if (!this.#mayClaim) return;
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
    while (this.#claimAgain && this.#mayClaim) {
      this.#claimAgain = false;
      const { claimed, places } = await this.#take(CLAIM_BATCH, (granted) => claimNext(this.#deps.database, this.#claimant, granted));
      this.#mayHaveMore = claimed.length === places;
      if (!this.#mayHaveMore || this.#worker.held.room === 0) continue;
      this.#claimAgain = true;
      await pause((claimed.filter(hasPast).length * 1_000) / this.#deps.settings.resumesPerSecond);
    }
  }

  /** Claims into places that nobody else can take meanwhile, and resumes what was claimed. */
  async #take(wanted: number, claim: (places: number) => Promise<ClaimedRun[]>): Promise<Taken> {
    const { held } = this.#worker;
    const places = held.reserve(wanted);
    let claimed: ClaimedRun[] = [];
    let resumed: Promise<void>[] = [];
    try {
      if (places > 0) claimed = await claim(places);
      resumed = claimed.map((run) => this.#worker.resume(run));
    } finally {
      held.unreserve(places);
    }
    await Promise.all(resumed);
    return { claimed, places };
  }
}

type Taken = { claimed: readonly ClaimedRun[]; places: number };

/** Held before: there is a journal to be read. A new run's has two events. */
const hasPast = ({ epoch }: ClaimedRun): boolean => epoch > 1;

import { recover } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import { background } from "../../kernel/log.ts";
import type { DriverContext } from "../driver/context.ts";
import { drive, driveAt } from "../driver/drive.ts";
import { appendEvents, lostError } from "../driver/events.ts";
import { dropWork, FINISH_KEY, type InboxRow, type LiveRun } from "../driver/live-run.ts";
import { endRead, receive } from "../driver/take-inbox.ts";
import { createLiveHints, type LiveHints } from "../live-hints.ts";
import type { ClaimedRun } from "../store/held-run.ts";
import type { WorkerDeps } from "./deps.ts";
import { drain } from "./drain.ts";
import type { HeldRuns } from "./held-runs.ts";
import { freshRun, loadMoves, loadRun, type FreshRun } from "./load-run.ts";
import { createWorkerStore, type WorkerStore } from "./store.ts";

/** Whom the worker tells what concerns others. */
export type WorkerOutside = {
  /** A run has left and another one could be taken in. */
  onRoom(): void;
  /** A run that may be held by anybody has something in its inbox. */
  wake(runId: string): void;
  /** Asks the child run of a step that is not wanted any more to stop. Nothing happens when it is over. */
  stopChild(child: { tenantId: string; actor: string; runId: string; reason: string }): Promise<void>;
};

/**
 * Drives the runs that this process holds, from taking them in to letting them go.
 *
 * claimed → (journal read, doubts parked, inbox read) → driven → ended
 *                                                         ├→ parked: nothing to do, lease given up, out of memory
 *                                                         └→ lost: somebody else holds it; calls aborted, nothing written
 */
export class Worker {
  readonly held: HeldRuns;
  readonly #deps: WorkerDeps;
  readonly #hints: LiveHints;
  readonly #context: DriverContext;
  readonly #store: WorkerStore;
  readonly #parkings = new Map<string, Promise<void>>();
  readonly #outside: WorkerOutside;
  #isDraining = false;

  constructor(deps: WorkerDeps, held: HeldRuns, outside: WorkerOutside) {
    this.#deps = deps;
    this.held = held;
    this.#outside = outside;
    this.#hints = createLiveHints(deps);
    this.#context = this.#driverContext();
    this.#store = createWorkerStore(deps);
  }

  /** Drives a run that was started and claimed by this process. */
  adopt(fresh: FreshRun): void {
    const run = freshRun(fresh, this.#deps.writer.nextLane());
    this.#takeIn(run);
    this.#context.drive(run);
  }

  /** Reads a claimed run and goes on with it; doubts about calls that were in flight come first. */
  async resume(claimed: ClaimedRun): Promise<void> {
    // This process had let its own lease expire, as after a long sleep of the machine: what it held is void.
    const stale = this.held.find(claimed.id);
    if (stale) this.#lose(stale);
    this.held.beginLoading(claimed);
    let run: LiveRun;
    try {
      run = await loadRun(this.#deps, claimed, this.#deps.writer.nextLane());
    } catch (error) {
      this.held.endLoading(claimed.id);
      await this.#store.giveUp(claimed, error);
      return;
    }
    // Somebody has claimed the run while it was being read: its journal goes on with events that are not this holder's.
    if (run.state.epoch !== claimed.epoch) {
      this.held.endLoading(claimed.id);
      return;
    }
    this.#takeIn(run);
    if (run.state.version !== claimed.version) this.#context.showVersion(run);
    const doubts = recover(run.state);
    if (doubts.length === 0) {
      this.#begin(run, claimed.inboxSeq);
      return;
    }
    run.mode = "recovering";
    appendEvents(this.#context, run, { drafts: doubts, onFolded: () => this.#begin(run, claimed.inboxSeq) });
  }

  /** Something may have come into the inbox of a held run. False when this process does not hold it (any more). */
  async look(runId: string): Promise<boolean> {
    await this.#parkings.get(runId);
    const run = this.held.find(runId);
    if (!run) return false;
    await this.#takeInbox(run);
    return true;
  }

  /** Keeps the leases; drops runs that turn out to be somebody else's. */
  async renew(): Promise<void> {
    const before = this.held.all();
    if (before.length === 0) return;
    const from = performance.now();
    const kept = await this.#store.renew(before);
    for (const { id, epoch } of before) {
      const run = this.held.find(id);
      if (run?.epoch === epoch && kept.has(id)) run.leaseFrom = from;
      // The row of a run that is just ending or parking has given up its lease in good order.
      else if (run?.epoch === epoch && run.mode === "driving" && !run.underWay.has(FINISH_KEY)) this.#lose(run);
    }
  }

  /** Ends every holding: commits finish, open calls may for a while, and each lease is given up as soon as it can be. */
  async stop(): Promise<void> {
    const { settings, writer } = this.#deps;
    this.#isDraining = true;
    this.held.close();
    const letGo = (runs: readonly LiveRun[]): Promise<void> => this.#letGo(runs);
    await drain({ held: this.held, drainMs: settings.drainMs, letGo, committed: () => writer.drained() });
    const late = this.held.live();
    for (const run of late) this.#lose(run, stopping());
    await Promise.allSettled(this.#parkings.values());
    await this.#store.snapshots.settled();
    await writer.stop();
    this.#hints.stop();
    await this.#letGo(late);
  }

  /** Gives leases up and says so, that others take the runs over at once. */
  async #letGo(runs: readonly LiveRun[]): Promise<void> {
    if (runs.length === 0) return;
    for (const run of runs) this.#lose(run, stopping());
    try {
      await this.#store.release(runs, 0);
      this.#deps.dispatch.due(runs.length);
    } catch (error) {
      this.#deps.log.warn("runs could not be released; their leases will expire", { error });
    }
  }

  #takeIn(run: LiveRun): void {
    this.held.add(run);
    this.#hints.changed(run);
  }

  #begin(run: LiveRun, inboxSeq: number): void {
    run.mode = "driving";
    if (inboxSeq === 0) this.#context.drive(run);
    else background(this.#deps.log, "reading a run's inbox", () => this.#takeInbox(run));
  }

  async #takeInbox(run: LiveRun): Promise<void> {
    run.inbox.reads += 1;
    try {
      await this.#readInbox(run);
    } catch (error) {
      // Its lease is kept, so nobody else would ever look at it.
      this.#lookAgain(run, FAILED_READ_MS);
      throw error;
    } finally {
      endRead(run);
    }
  }

  #lookAgain({ id }: LiveRun, afterMs: number): void {
    const again = (): void => background(this.#deps.log, "reading a run's inbox", () => this.look(id).then(() => undefined));
    setTimeout(again, afterMs).unref();
  }

  async #readInbox(run: LiveRun): Promise<void> {
    const inbox = await this.#store.readInbox(run);
    // Nothing comes after the last event, once it is on its way.
    if (run.mode === "gone" || run.underWay.has(FINISH_KEY)) return;
    if (inbox === "lost") {
      this.#lose(run);
      return;
    }
    // Before the rows count as seen: until then, the run cannot be parked without them.
    if (!(await this.#loadMoves(run, inbox.rows)) || isGone(run)) return;
    run.inboxSeen = Math.max(run.inboxSeen, inbox.inboxSeq);
    receive(this.#context, run, inbox.rows);
    // What was said comes first: a cancel, before anything else is begun. The run is driven once it is written.
    if (!run.inbox.isBusy) this.#context.drive(run);
  }

  /** False when that is not possible now: the inbox is looked at again a little later. */
  async #loadMoves(run: LiveRun, rows: readonly InboxRow[]): Promise<boolean> {
    const { log, settings } = this.#deps;
    try {
      await loadMoves(this.#deps, run, rows);
      return true;
    } catch (error) {
      log.warn("the version that a run is to be moved to cannot be loaded; tried again", { runId: run.id, error });
      this.#lookAgain(run, settings.loadAgainMs);
      return false;
    }
  }

  #lose(run: LiveRun, reason: Error = lostError()): void {
    run.mode = "gone";
    dropWork(run, reason);
    this.held.remove(run);
  }

  #driverContext(): DriverContext {
    const { writer, codec, redactor, executors, limits, observer, log, now, random, newId, settings } = this.#deps;
    const context: DriverContext = {
      writer,
      codec,
      redactor,
      executors,
      limits,
      progress: this.#hints.progress,
      observer,
      log,
      now,
      random,
      newId,
      leaseMs: settings.leaseMs,
      drive: (run) => {
        if (!this.#isDraining) drive(context, run);
      },
      onProgress: (run) => {
        this.#hints.changed(run);
        this.#store.snapshots.progressed(run);
      },
      onEnded: (run) => this.#end(run),
      onLost: (run) => {
        this.held.remove(run);
        this.#outside.onRoom();
      },
      onIdle: (run, wakeAt) => this.#rest(run, wakeAt),
      showStatus: (run) => background(log, "showing a run's status", () => this.#store.showStatus(run, run.state.status)),
      showVersion: (run) => background(log, "showing a run's version", () => this.#store.showVersion(run, run.state.version)),
      stopChild: ({ id, tenantId }, { childRunId: runId, reason }) =>
        background(log, "stopping a child run", () => this.#outside.stopChild({ tenantId, actor: `run:${id}`, runId, reason })),
      discardInbox: (run, ids) => background(log, "removing answered messages", () => this.#store.discardInbox(run.id, ids)),
    };
    return context;
  }

  #end(run: LiveRun): void {
    run.mode = "gone";
    clearTimeout(run.timer);
    this.held.remove(run);
    this.#hints.left(run);
    this.#store.snapshots.ended(run);
    this.#deps.observer.onRunEnded?.({ workflowId: run.workflowId, status: run.state.status });
    if (run.state.parentStep) this.#outside.wake(run.state.parentStep.runId);
    this.#outside.onRoom();
  }

  #rest(run: LiveRun, wakeAt: number | null): void {
    const { now, settings, log } = this.#deps;
    if (wakeAt !== null && wakeAt - now() <= settings.keepMs) {
      driveAt(this.#context, run, wakeAt);
      return;
    }
    run.mode = "parking";
    this.#store.snapshots.parking(run);
    const parking = this.#parkRun(run, wakeAt);
    this.#parkings.set(run.id, parking);
    background(log, "parking a run", () => parking);
  }

  async #parkRun(run: LiveRun, wakeAt: number | null): Promise<void> {
    const waitMs = wakeAt === null ? null : Math.max(0, wakeAt - this.#deps.now());
    try {
      const { id, epoch, inboxSeen: inboxSeq } = run;
      const isParked = await this.#store.park({ id, epoch, inboxSeq, waitMs, status: run.state.status });
      if (run.mode !== "parking") return;
      if (isParked) {
        run.mode = "gone";
        this.held.remove(run);
        this.#hints.left(run);
        this.#outside.onRoom();
        return;
      }
    } catch (error) {
      this.#deps.log.warn("a run could not be parked; it stays in memory", { runId: run.id, error });
    } finally {
      this.#parkings.delete(run.id);
    }
    if (run.mode !== "parking") return;
    run.mode = "driving";
    await this.#takeInbox(run);
  }
}

const FAILED_READ_MS = 1_000;
const isGone = ({ mode }: LiveRun): boolean => mode === "gone";
const stopping = (): AppError => new AppError("unavailable", "The server is stopping.");

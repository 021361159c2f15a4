import type { Log } from "../../kernel/log.ts";
import type { Redactor, ValueCodec } from "../../kernel/ports.ts";
import type { CallLimits } from "../limits/index.ts";
import type { JournalWriter } from "../journal/writer.ts";
import type { AllExecutors, RunsObserver } from "../ports.ts";
import type { ProgressHints } from "../progress-hints.ts";
import type { LiveRun } from "./live-run.ts";

/** What driving a run needs from the worker that holds it. */
export type DriverContext = {
  readonly writer: JournalWriter;
  readonly codec: ValueCodec;
  readonly redactor: Redactor;
  readonly executors: AllExecutors;
  readonly limits: CallLimits;
  readonly progress: ProgressHints;
  readonly observer: RunsObserver;
  readonly log: Log;
  /** How long a lease lasts after it was renewed. */
  readonly leaseMs: number;
  /** ms since the epoch, of this machine. */
  readonly now: () => number;
  /** In [0,1), for the jitter of retries. */
  readonly random: () => number;
  readonly newId: () => string;
  /** Looks what the run's state asks for, and begins it. */
  drive(run: LiveRun): void;
  /** A batch of the run's events is durable and folded. Comes before the next look at the run. */
  onProgress(run: LiveRun): void;
  /** The run's last event is durable. */
  onEnded(run: LiveRun): void;
  /** The run belongs to another worker, or the writer has stopped. */
  onLost(run: LiveRun): void;
  /** Lets the run's row show what the run is doing now. Best effort. */
  showStatus(run: LiveRun): void;
  /** Lets the run's row show which version the run follows now. Best effort: shown again when the run is next loaded. */
  showVersion(run: LiveRun): void;
  /** Tells a child run to stop, since its parent's step is not wanted any more. Best effort: asked again after a takeover. */
  stopChild(run: LiveRun, child: { childRunId: string; reason: string }): void;
  /** Removes inbox rows that say nothing new. Best effort. */
  discardInbox(run: LiveRun, ids: readonly string[]): void;
  /** Nothing is left to do before `wakeAt` (ms since the epoch; null: until somebody says something). */
  onIdle(run: LiveRun, wakeAt: number | null): void;
};

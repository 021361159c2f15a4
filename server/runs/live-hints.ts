import type { LiveBus, Redactor } from "../kernel/ports.ts";
import type { LiveRun } from "./driver/live-run.ts";
import { createProgressHints, type ProgressHints } from "./progress-hints.ts";

const EVERY_MS = 50;

export type LiveHints = {
  /** The run has changed. The hint carries what is true when it is sent. */
  changed(run: LiveRun): void;
  /** The run leaves this worker: its last hint goes out now. */
  left(run: LiveRun): void;
  /** Of steps under way. */
  readonly progress: ProgressHints;
  stop(): void;
};

/** At most one hint per run and `EVERY_MS`; the last change is always told. */
export function createLiveHints({ live, redactor }: { live: LiveBus; redactor: Redactor }): LiveHints {
  const progress = createProgressHints({ live, redactor });
  const pending = new Set<LiveRun>();
  let timer: NodeJS.Timeout | undefined;
  const tell = ({ tenantId, id, workflowId, state }: LiveRun): void =>
    live.publish(tenantId, { type: "run", runId: id, workflowId, status: state.status, seq: state.seq });
  const flush = (): void => {
    timer = undefined;
    for (const run of pending) tell(run);
    pending.clear();
  };
  return {
    progress,
    changed: (run) => {
      pending.add(run);
      timer ??= setTimeout(flush, EVERY_MS);
    },
    left: (run) => {
      pending.delete(run);
      tell(run);
    },
    stop: () => {
      clearTimeout(timer);
      flush();
      progress.stop();
    },
  };
}

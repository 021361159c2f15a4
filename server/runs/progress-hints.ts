import { LIMITS } from "#contract/limits.ts";
import type { LiveBus, Redactor } from "../kernel/ports.ts";
import type { StepProgress } from "../kernel/step-executor.ts";
import type { LiveRun, Work } from "./driver/live-run.ts";

/** A step's call under way. */
type Step = { run: Pick<LiveRun, "id" | "tenantId" | "isConfidential" | "mode">; work: Work; scope: string; nodeId: string };

export type ProgressHints = {
  /** How far the call has come. May be told at any rate; the newest is what counts. */
  told(step: Step, progress: StepProgress): void;
  /** The call is over: what it told last goes out now, before its end is known. */
  ended(work: Work): void;
  stop(): void;
};

/** What is looked at of a message that is then cut: a secret in what is shown is seen whole. */
const REDACTED_CHARS = 64 * 1024;

/** At most one hint per step in `stepProgressMs`, and one more at its end, so that the last one is always told. */
export function createProgressHints({ live, redactor }: { live: LiveBus; redactor: Redactor }): ProgressHints {
  const waiting = new Map<Work, { step: Step; progress: StepProgress }>();
  let timer: NodeJS.Timeout | undefined;
  const shown = (message: string): string =>
    redactor.text(message.slice(0, REDACTED_CHARS)).slice(0, LIMITS.liveMessageChars).toWellFormed();
  const tell = (work: Work): void => {
    const found = waiting.get(work);
    waiting.delete(work);
    // Somebody else has the run, or nobody wants the step's result any more.
    if (found === undefined || work.isDropped || found.step.run.mode === "gone") return;
    const { run, scope, nodeId } = found.step;
    const { progress, total, message } = found.progress;
    live.publish(run.tenantId, {
      type: "step_progress",
      runId: run.id,
      scope,
      nodeId,
      progress,
      ...(total !== undefined && { total }),
      // A hint is stored nowhere, but it travels in the clear.
      ...(message !== undefined && !run.isConfidential && { message: shown(message) }),
    });
  };
  const flush = (): void => {
    for (const work of [...waiting.keys()].slice(0, LIMITS.stepProgressAtOnce)) tell(work);
    timer = waiting.size === 0 ? undefined : setTimeout(flush, LIMITS.stepProgressMs);
  };
  return {
    told(step, progress) {
      waiting.set(step.work, { step, progress });
      timer ??= setTimeout(flush, LIMITS.stepProgressMs);
    },
    ended: tell,
    stop() {
      clearTimeout(timer);
      waiting.clear();
    },
  };
}

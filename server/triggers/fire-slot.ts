import type { Run } from "#contract/runs.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { backoffDelay } from "#server/kernel/backoff.ts";
import type { TriggersDeps } from "./ports.ts";
import { inputRowName } from "./schedules.pg.ts";
import type { TriggerSettings } from "./settings.ts";
import { beginFiring, firstDue, liveRuns, postpone, settle, tryAgain, type ClaimedSchedule, type DueSlot } from "./slots.pg.ts";

export type FireDeps = Pick<TriggersDeps, "database" | "codec" | "runs">;
type Deps = FireDeps & Pick<TriggersDeps, "log"> & { settings: TriggerSettings; random: () => number };

const ATTEMPTS = 10;
const MAX_BACKOFF_MS = 600_000;

export const initiatorOf = (scheduleId: string): string => `schedule:${scheduleId}`;

/** Starts the slot's run. However often and from however many processes this is called, the slot has one run. */
export async function fireSlot({ codec, runs }: FireDeps, due: DueSlot): Promise<Run> {
  const { scheduleId, tenantId, slot, workflowId, version, input } = due;
  await codec.prepare(tenantId);
  return runs.startRun({
    tenantId,
    initiator: initiatorOf(scheduleId),
    workflowId,
    version: version ?? undefined,
    input: codec.decode(input, { tenantId, row: inputRowName(scheduleId) }),
    idempotencyKey: `schedule:${scheduleId}:${slot.toISOString()}`,
  });
}

/** Fires or skips the oldest slot of a schedule that this process has claimed. Answers whether there was one that could be. */
export async function fireNext(deps: Deps, schedule: ClaimedSchedule): Promise<boolean> {
  const next = await deps.database.asWorker((tx) => decide(deps, tx, schedule));
  if (typeof next === "boolean") return next;
  try {
    for (const runId of next.cancel) await cancel(deps, schedule, runId);
    const run = await fireSlot(deps, next.due);
    await deps.database.asWorker((tx) => settle(tx, next.due, { outcome: "fired", runId: run.id }));
  } catch (thrown) {
    await afterFailure(deps, next.due, toAppError(thrown));
  }
  return true;
}

type Tx = Parameters<typeof firstDue>[0];
type Next = { due: DueSlot; cancel: readonly string[] };

async function decide({ settings }: Deps, tx: Tx, schedule: ClaimedSchedule): Promise<Next | boolean> {
  const { id, overlap } = schedule;
  const due = await firstDue(tx, schedule);
  // A slot whose attempt nobody has settled may have a run that nobody knows: later slots wait behind it.
  if (!due?.isReady) return false;
  // Once it was decided to start, only that can be finished: the run may exist.
  const isDecided = due.attempts > 0 || due.isManual;
  const live = overlap === "allow" || isDecided ? [] : await liveRuns(tx, id);
  const [running] = live;
  if (running !== undefined && overlap === "skip") {
    await settle(tx, due, { outcome: "skipped", reason: `Run ${running} was not over.` });
    return true;
  }
  if (running !== undefined && overlap === "queue") {
    await postpone(tx, id, settings.queueMs);
    return true;
  }
  return (await beginFiring(tx, due, settings.leaseMs)) ? { due, cancel: live } : true;
}

/** A run that is over by now, or forgotten, is out of the next one's way. */
async function cancel({ runs, log }: Deps, { id, tenantId }: ClaimedSchedule, runId: string): Promise<void> {
  try {
    await runs.cancelRun({ tenantId, actor: initiatorOf(id), runId, reason: "The next slot of its schedule has come." });
  } catch (error) {
    const isOver = error instanceof AppError && (error.code === "run_transition_invalid" || error.code === "not_found");
    if (!isOver) throw error;
    log.debug("a run of an earlier slot was over already", { runId });
  }
}

/** Whether the same start can succeed later, without anybody changing anything. */
export const mayPass = ({ code, retryable }: AppError): boolean =>
  retryable || code === "internal" || code === "unavailable" || code === "database_unavailable";

async function afterFailure({ database, log, settings, random }: Deps, due: DueSlot, error: AppError): Promise<void> {
  const { scheduleId, slot } = due;
  const attempts = due.attempts + 1;
  const isOver = !mayPass(error) || attempts >= ATTEMPTS;
  log.warn(isOver ? "a slot failed" : "a slot could not be fired; it is tried again", { scheduleId, slot: slot.toISOString(), error });
  const backoff = { backoffMs: settings.backoffMs, factor: 3, maxMs: MAX_BACKOFF_MS, jitter: 0.2 };
  await database.asWorker((tx) =>
    isOver ? settle(tx, due, { outcome: "failed", reason: reasonOf(error) }) : tryAgain(tx, due, backoffDelay(backoff, attempts, random())),
  );
}

/** As it is stored and shown; PostgreSQL cannot store NUL. */
export const reasonOf = ({ code, message }: AppError): string => `${code}: ${message}`.replaceAll("\0", "\uFFFD").slice(0, 1_000);

import type { Run } from "#contract/runs.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { backoffDelay } from "#server/kernel/backoff.ts";
import type { TriggersDeps } from "./ports.ts";
import { inputRowName } from "./schedules.pg.ts";
import type { TriggerSettings } from "./settings.ts";
import { beginFiring, firstDue, liveRuns, postpone, settle, type ClaimedSchedule, type DueSlot } from "./slots.pg.ts";

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

/** Fires or skips the oldest slot of a schedule that this process has claimed. */
export const fireNext =
  (deps: Deps) =>
  async (schedule: ClaimedSchedule): Promise<void> => {
    const next = await deps.database.asWorker((tx) => decide(deps, tx, schedule));
    if (!next) return;
    for (const runId of next.cancel) await cancel(deps, schedule, runId);
    try {
      const run = await fireSlot(deps, next.due);
      await deps.database.asWorker((tx) => settle(tx, next.due, { outcome: "fired", runId: run.id }));
    } catch (thrown) {
      await afterFailure(deps, next.due, toAppError(thrown));
    }
  };

type Tx = Parameters<typeof firstDue>[0];
type Next = { due: DueSlot; cancel: readonly string[] };

async function decide({ settings, random }: Deps, tx: Tx, { id, overlap }: ClaimedSchedule): Promise<Next | undefined> {
  const due = await firstDue(tx, id);
  if (!due) return undefined;
  const live = overlap === "allow" || due.isManual ? [] : await liveRuns(tx, id);
  const [running] = live;
  if (running !== undefined && overlap === "skip") {
    await settle(tx, due, { outcome: "skipped", reason: `Run ${running} was not over.` });
    return undefined;
  }
  if (running !== undefined && overlap === "queue") {
    await postpone(tx, id, settings.queueMs);
    return undefined;
  }
  const backoff = { backoffMs: settings.backoffMs, factor: 3, maxMs: MAX_BACKOFF_MS, jitter: 0.2 };
  await beginFiring(tx, due, settings.leaseMs + backoffDelay(backoff, due.attempts + 1, random()));
  return { due, cancel: live };
}

async function cancel({ runs, log }: Deps, { id, tenantId }: ClaimedSchedule, runId: string): Promise<void> {
  try {
    await runs.cancelRun({ tenantId, actor: initiatorOf(id), runId, reason: "The next slot of its schedule has come." });
  } catch (error) {
    // Over by now, or forgotten: either way it is out of the next one's way.
    if (!(error instanceof AppError)) throw error;
    log.debug("a run of an earlier slot was not cancelled", { runId, error });
  }
}

/** Whether the same start can succeed later, without anybody changing anything. */
export const mayPass = ({ code, retryable }: AppError): boolean =>
  retryable || code === "internal" || code === "unavailable" || code === "database_unavailable";

async function afterFailure({ database, log }: Deps, due: DueSlot, error: AppError): Promise<void> {
  const { scheduleId, slot, attempts } = due;
  const isOver = !mayPass(error) || attempts + 1 >= ATTEMPTS;
  log.warn(isOver ? "a slot failed" : "a slot could not be fired; it is tried again", { scheduleId, slot: slot.toISOString(), error });
  if (!isOver) return;
  await database.asWorker((tx) => settle(tx, due, { outcome: "failed", reason: reasonOf(error) }));
}

/** As it is stored and shown; PostgreSQL cannot store NUL. */
export const reasonOf = ({ code, message }: AppError): string => `${code}: ${message}`.replaceAll("\0", "\uFFFD").slice(0, 1_000);

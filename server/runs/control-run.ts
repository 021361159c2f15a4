import { isFinal, type Run } from "#contract/runs.ts";
import { AppError } from "../kernel/errors.ts";
import type { Tx } from "../kernel/ports.ts";
import { readRun } from "./read-run.ts";
import { mustFind, speak, type SpeakDeps, type Speaker } from "./send-message.ts";
import type { RunRecord } from "./store/runs.pg.ts";

type Reasoned = Speaker & { reason?: string | undefined };

/**
 * Asks a run to stop: it begins nothing new, ends what is open and undoes what can be undone. A second request changes nothing.
 * With `force` it ends at once, whatever is open, and says what was not undone.
 */
export const cancelRun = (deps: SpeakDeps) => (request: Reasoned & { force?: boolean | undefined }) => {
  const kind = request.force === true ? "force" : "cancel";
  const action = request.force === true ? "run.force_requested" : "run.cancel_requested";
  const isAsked = ({ status }: RunRecord): boolean => kind === "cancel" && (status === "cancelling" || status === "compensating");
  return control(deps, { ...request, kind, action, isAsked, may: ({ status }) => !isFinal(status), verb: "cancelled" });
};

/** The run begins nothing new; open calls go on to their end. */
export const pauseRun = (deps: SpeakDeps) => (request: Reasoned) =>
  control(deps, {
    ...request,
    kind: "pause",
    action: "run.pause_requested",
    isAsked: ({ status }) => status === "paused",
    may: ({ status }) => status === "queued" || status === "running" || status === "waiting",
    verb: "paused",
  });

export const unpauseRun = (deps: SpeakDeps) => (request: Speaker) =>
  control(deps, {
    ...request,
    kind: "unpause",
    action: "run.resumed",
    isAsked: () => false,
    may: ({ status }) => status === "paused",
    verb: "resumed",
  });

/** Waits for a request to a run, and does not mind that it came too late. */
export async function unlessOver(request: Promise<Run>): Promise<void> {
  await request.catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== "run_transition_invalid") throw error;
  });
}

type Control = Reasoned & {
  kind: "cancel" | "force" | "pause" | "unpause";
  action: string;
  /** Nothing to do: that has been asked before. */
  isAsked: (record: RunRecord) => boolean;
  may: (record: RunRecord) => boolean;
  verb: string;
};

async function control(deps: SpeakDeps, { tenantId, actor, runId, reason, kind, action, isAsked, may, verb }: Control): Promise<Run> {
  await deps.codec.prepare(tenantId);
  const send = async (tx: Tx, record: RunRecord): Promise<void> => {
    const body = { by: actor, ...(reason !== undefined && { reason: deps.redactor.text(reason) }) };
    const isSent = may(record) && (await speak(deps, tx, { record, kind, body }));
    if (!isSent) throw new AppError("run_transition_invalid", `Run ${runId} is ${record.status}; it cannot be ${verb}.`);
    await deps.audit.record(tx, { tenantId, actor, action, target: `run:${runId}` });
  };
  const run = await deps.database.asTenant(tenantId, async (tx) => {
    const record = await mustFind(tx, runId);
    if (!isAsked(record)) await send(tx, record);
    return readRun(tx, deps.codec, runId);
  });
  deps.wake(runId);
  return run;
}

import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { copyJson } from "#contract/parse-json.ts";
import type { Run } from "#contract/runs.ts";
import { backoffDelay } from "#server/kernel/backoff.ts";
import { AppError, toAppError } from "#server/kernel/errors.ts";
import { mayPass, reasonOf } from "./fire-slot.ts";
import * as store from "./listeners.pg.ts";
import type { DueDelivery, ListenerRecord } from "./listeners.pg.ts";
import type { TriggersDeps } from "./ports.ts";
import { openSecret, secretRowName } from "./secret.ts";
import type { TriggerSettings } from "./settings.ts";
import { signedHeaders } from "./signature.ts";

type Deps = Pick<TriggersDeps, "database" | "audit" | "codec" | "redactor" | "egress" | "log" | "now" | "runs"> & {
  settings: TriggerSettings;
  random: () => number;
  /** Aborts when the process is stopping: nobody waits for a receiver then, who hears of it again later. */
  stopping: AbortSignal;
};

const BATCH = 50;
const MAX_BACKOFF_MS = 60 * 60 * 1000;
/** Carried by runs that a listener has started: how many of them stand behind one another. */
const DEPTH_TAG = /^listener-depth:(\d{1,6})$/;

/** Tells listeners of runs that have ended. Answers whether there may be more to tell. */
export const deliverEnds = async (deps: Deps): Promise<boolean> => {
  const leaseMs = deps.settings.leaseMs + deps.settings.answerMs;
  const due = await deps.database.asWorker((tx) => store.claimDeliveries(tx, { limit: BATCH, leaseMs }));
  await Promise.all(due.map((delivery) => deliverOne(deps, delivery)));
  return due.length === BATCH;
};

async function deliverOne(deps: Deps, due: DueDelivery): Promise<void> {
  const { database, runs } = deps;
  try {
    const listener = await database.asWorker((tx) => store.findListener(tx, due.listenerId));
    if (!listener) {
      await database.asWorker((tx) => store.dropDelivery(tx, due));
      return;
    }
    const run = await runs.getRun(due.tenantId, due.runId);
    const startedRunId =
      listener.action.kind === "webhook" ? await call(deps, { listener, due, run }) : await start(deps, { listener, due, run });
    await database.asWorker((tx) =>
      store.settleDelivery(tx, due, { outcome: "done", ...(startedRunId !== undefined && { startedRunId }) }),
    );
  } catch (thrown) {
    await afterFailure(deps, due, toAppError(thrown));
  }
}

type Told = { listener: ListenerRecord; due: DueDelivery; run: Run };

/** The values of a confidential run stay where they are protected. */
function aboutRun({ due, run }: Told): { [key: string]: Json } {
  const { id, workflowId, workflowName, version, status, tags, createdAt, startedAt, finishedAt, output, error } = run;
  const values = due.isConfidential ? { output: null, error: null } : { output, error: error === null ? null : copyJson(error) };
  return {
    id,
    workflowId,
    workflowName,
    version,
    status,
    tags,
    createdAt,
    startedAt,
    finishedAt,
    confidential: due.isConfidential,
    ...values,
  };
}

/** Under one key however often it is tried, so that a run's end starts one run. */
async function start({ runs }: Deps, told: Told): Promise<string | undefined> {
  const { listener, due, run } = told;
  const { id: listenerId, action, tenantId } = listener;
  if (action.kind !== "start_workflow") return undefined;
  const depth = 1 + Math.max(0, ...run.tags.map((tag) => Number(DEPTH_TAG.exec(tag)?.[1] ?? 0)));
  if (depth > LIMITS.listenerDepth) {
    throw new AppError("conflict", `Listeners have started ${LIMITS.listenerDepth} runs one after the other; this would be a loop.`, {
      remedy: "Listen to single workflows, so that none starts itself.",
    });
  }
  const started = await runs.startRun({
    tenantId,
    initiator: `listener:${listenerId}`,
    workflowId: action.workflowId,
    version: action.version ?? undefined,
    input: { run: aboutRun(told) },
    tags: [`listener-depth:${depth}`],
    idempotencyKey: `listener:${listenerId}:${due.runId}`,
  });
  return started.id;
}

/** At least once: a receiver tells repeated deliveries by their id. */
async function call(deps: Deps, told: Told): Promise<undefined> {
  const { listener, due } = told;
  const { id: listenerId, action, tenantId, secret: sealed } = listener;
  if (action.kind !== "webhook" || sealed === null) return undefined;
  const secret = await openSecret(deps, sealed, { tenantId, row: secretRowName("run_listeners", listenerId) });
  const delivery = `${listenerId}.${due.runId}`;
  const body = bodyOf(told);
  const timestamp = Math.floor(deps.now().getTime() / 1_000);
  let response: Response;
  try {
    response = await deps.egress.fetchFor(tenantId, "webhook")(action.url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "Auterity", ...signedHeaders(body, { secret, timestamp, delivery }) },
      body,
      redirect: "error",
      signal: AbortSignal.any([deps.stopping, AbortSignal.timeout(deps.settings.answerMs)]),
    });
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("unavailable", "The receiver did not answer.", { retryable: true, cause });
  }
  await response.body?.cancel();
  if (!response.ok) throw new AppError("unavailable", `The receiver answered with ${response.status}.`, { retryable: true });
  return undefined;
}

/** An output that is too large to be sent is left out; the receiver can read the run. */
function bodyOf(told: Told): string {
  const run = aboutRun(told);
  const event = `run.${told.due.status}`;
  const whole = JSON.stringify({ event, run });
  return Buffer.byteLength(whole) <= LIMITS.listenerBytes
    ? whole
    : JSON.stringify({ event, run: { ...run, output: null, error: null, omitted: true } });
}

async function afterFailure({ database, audit, log, settings, random }: Deps, due: DueDelivery, error: AppError): Promise<void> {
  const { tenantId, listenerId, runId, attempts } = due;
  const reason = reasonOf(error);
  // A denied address may be allowed meanwhile, as a person would expect.
  const isOver = attempts >= LIMITS.listenerAttempts || !(mayPass(error) || error.code === "egress_denied");
  log.warn(isOver ? "a run listener gave up" : "a run listener failed; it tries again", { listenerId, runId, attempts, error });
  if (!isOver) {
    const ms = backoffDelay({ backoffMs: settings.backoffMs, factor: 3, maxMs: MAX_BACKOFF_MS, jitter: 0.2 }, attempts, random());
    await database.asWorker((tx) => store.delayDelivery(tx, due, { ms, reason }));
    return;
  }
  await database.asTenant(tenantId, async (tx) => {
    await store.settleDelivery(tx, due, { outcome: "failed", reason });
    const target = `run_listener:${listenerId}`;
    await audit.record(tx, {
      tenantId,
      actor: `listener:${listenerId}`,
      action: "run_listener.gave_up",
      target,
      reason: error.code,
      details: { runId },
    });
  });
}

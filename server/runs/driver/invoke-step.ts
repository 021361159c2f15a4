import type { Json } from "#contract/common.ts";
import type { Effect } from "#contract/policy.ts";
import type { EventDraft, StepHandle, StepPlace } from "#contract/journal.ts";
import { parseJson } from "#contract/parse-json.ts";
import { blocked, failed, grantFor, parked, resolveInput, stepKey, succeeded, type Command, type Resume } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { StepExecutor, StepProgress, StepRequest } from "../../kernel/step-executor.ts";
import type { Place } from "../limits/step-cache.ts";
import type { DriverContext } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import { appendEvents, lostError } from "./events.ts";
import { dropWork, workKey, type LiveRun, type Work } from "./live-run.ts";
import { tooLarge } from "./output-size.ts";
import { toStepError } from "./step-error.ts";
import { idempotencyKey } from "./step-identity.ts";

type Invoke = Extract<Command, { kind: "invoke" }>;
type Call = { command: Invoke; work: Work; controller: AbortController; executor: StepExecutor; timeoutMs: number; leave: () => void };
/** A step about to be begun. `place`: where its output may be found, or will be kept. */
type Prepared = { input: Json; effect: Effect; binding?: Record<string, string> | undefined; place: Place | undefined };
/** `durable` settles when `step_started` is in the journal; at once for calls that an earlier process began. */
type Started = Resume & { durable: Promise<void>; place?: Place | undefined };

export const DEFAULT_TIMEOUT_MS = 120_000;

/** Carries out one attempt of an outside step, from its arguments to the event that says how it ended. Never rejects. */
export async function invokeStep(context: DriverContext, run: LiveRun, { command, work }: { command: Invoke; work: Work }): Promise<void> {
  const controller = work.controller ?? new AbortController();
  const timeoutMs = run.state.plan.nodes.get(command.nodeId)?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const call: Call = { command, work, controller, executor: context.executors[command.type], timeoutMs, leave: () => {} };
  const draft = await outcomeOf(context, run, call);
  if (draft === undefined || work.isDropped || run.mode === "gone") return;
  work.phase = "committing";
  appendEvents(context, run, { drafts: [draft], onFolded: () => run.underWay.delete(workKey(command)) });
}

async function outcomeOf(context: DriverContext, run: LiveRun, call: Call): Promise<EventDraft | undefined> {
  const { command, work } = call;
  let started: Started | undefined;
  try {
    if (command.resume) started = await resumed(context, run, { call, resume: command.resume });
    else {
      const prepared = await prepareStep(context, run, call);
      const known = prepared?.place && (await context.limits.cache.find(prepared.place));
      if (known !== undefined) return work.isDropped ? undefined : reused(command, known);
      started = prepared && (await startStep(context, run, { call, prepared }));
    }
    if (!started) return undefined;
    const output = await callExecutor(context, run, { ...call, started });
    await started.durable;
    if (started.place) context.limits.cache.keep(started.place, output);
    return work.isDropped ? undefined : answerOf(context, run, { command, output });
  } catch (error) {
    // A start that was refused has dropped the work; there is nothing to answer then.
    await started?.durable.catch(() => {});
    if (work.isDropped) return undefined;
    const stepError = toStepError(error);
    const waiting = blocked(run.state, command, stepError);
    if (waiting) return waiting;
    // The other side cannot say whether it happened: nothing is repeated, and nothing given up, before a person has said.
    if (stepError.code === "step_in_doubt" && started && mustKnowFirst(started.effect))
      return parked(run.state, command, stepError.message);
    if (stepError.code === "internal")
      context.log.error("a step failed in an unexpected way", { runId: run.id, nodeId: command.nodeId, error });
    const retryAfterMs = error instanceof AppError ? error.retryAfterMs : undefined;
    return failed(run.state, command, { error: stepError, now: context.now(), random: context.random(), retryAfterMs });
  } finally {
    call.leave();
    context.progress.ended(work);
  }
}

function reused({ scope, nodeId, attempt }: Invoke, output: Json): EventDraft {
  return { kind: "step_succeeded", body: { output, handle: "success", source: "cache" }, scope, nodeId, attempt };
}

/** A child run has only been started: the step waits for its end. */
function answerOf({ now }: DriverContext, run: LiveRun, { command, output }: { command: Invoke; output: Json }): EventDraft {
  if (command.type !== "subworkflow" || typeof output !== "string") return succeeded(command, output);
  const { scope, nodeId, attempt } = command;
  const timeoutMs = run.state.plan.nodes.get(nodeId)?.timeoutMs ?? undefined;
  const body = { childRunId: output, ...(timeoutMs !== undefined && { deadline: now() + timeoutMs }) };
  return { kind: "step_waiting", body, scope, nodeId, attempt };
}

/** The approval that allows the call. Two calls that begin together cannot both have it. */
function takeGrant(run: LiveRun, command: Invoke, call: { input: Json; key: string }): StepPlace | undefined {
  const grant = grantFor(run.state, command, call);
  if (grant === undefined) return undefined;
  if ("code" in grant) throw new AppError("grant_invalid", grant.message);
  const place = stepKey(grant.scope, grant.nodeId);
  const taken = run.takenGrants.get(place) ?? call.key;
  if (taken !== call.key) throw new AppError("grant_invalid", `The grant of ${grant.nodeId} has been used.`);
  run.takenGrants.set(place, call.key);
  return grant;
}

async function resumed(context: DriverContext, run: LiveRun, { call, resume }: { call: Call; resume: Resume }): Promise<Started> {
  call.work.phase = "open";
  call.work.effect = resume.effect;
  await enter(context, run, { call, binding: resume.binding });
  return { ...resume, durable: Promise.resolve() };
}

/** The step's arguments, and what its executor chooses for them. Undefined when the step was given up meanwhile. */
async function prepareStep(context: DriverContext, run: LiveRun, call: Call): Promise<Prepared | undefined> {
  const { command, work, controller, executor, timeoutMs } = call;
  const { nodeId, type } = command;
  const input = await resolveInput(run.state, command);
  if (work.isDropped) return undefined;
  const request = stepRequest(run, command, input);
  const onTimeout = (): void => controller.abort(timeoutError(timeoutMs, true));
  const { binding, ...chosen } = await withDeadline(() => executor.prepare(request), {
    ms: timeoutMs,
    onTimeout,
    signal: controller.signal,
  });
  if (work.isDropped) return undefined;
  const effect = effectOf(run, nodeId, chosen.effect);
  const place = context.limits.cache.placeOf(run, { nodeId, type, input, effect, binding });
  return { input, effect, binding, place };
}

type Entering = { call: Call; binding?: Record<string, string> | undefined };

/** Waits until the limits on calls let this one begin. */
async function enter({ limits }: DriverContext, run: LiveRun, { call, binding }: Entering): Promise<void> {
  const { command, controller, timeoutMs } = call;
  const entered = limits.enter(run, command, { binding, timeoutMs, signal: controller.signal });
  if (entered) call.leave = await entered;
}

/**
 * Journals what is about to be called and how. For `once` and `ask` this is durable before anything is sent; a call that
 * may be repeated need not wait for it. Undefined when the step was given up meanwhile.
 */
async function startStep(
  context: DriverContext,
  run: LiveRun,
  { call, prepared }: { call: Call; prepared: Prepared },
): Promise<Started | undefined> {
  const { command, work } = call;
  const { scope, nodeId, attempt, generation } = command;
  const { input, effect, binding, place } = prepared;
  await enter(context, run, { call, binding });
  if (work.isDropped) return undefined;
  const key = idempotencyKey({ runId: run.id, scope, nodeId, generation });
  const grant = takeGrant(run, command, { input, key });
  const body = { input, effect, key, generation, ...(grant && { grant }) };
  const drafts: EventDraft[] = [{ kind: "step_started", body, scope, nodeId, attempt }];
  if (binding) drafts.push({ kind: "step_bound", body: { binding }, scope, nodeId, attempt });
  work.phase = "starting";
  work.effect = effect;
  const durable = appendDurably(context, run, drafts);
  if (mustKnowFirst(effect)) {
    await durable;
    letGoWhenLate(context, run);
  }
  if (work.isDropped) return undefined;
  work.phase = "open";
  return { input, effect, key, durable, place, ...(binding && { binding }) };
}

/**
 * A process that was frozen may hold the run no longer without knowing it yet, and whoever does asks about this call: it must not
 * be made as well.
 */
function letGoWhenLate(context: DriverContext, run: LiveRun): void {
  if (run.mode === "gone" || performance.now() - run.leaseFrom < context.leaseMs) return;
  run.mode = "gone";
  dropWork(run, lostError());
  context.onLost(run);
}

const mustKnowFirst = (effect: Effect): boolean => effect === "once" || effect === "ask";

/** The author's word on this very call, else what was approved for the tool or agent, else what the type of step implies. */
function effectOf(run: LiveRun, nodeId: string, prepared: Effect | undefined): Effect {
  const node = run.state.plan.nodes.get(nodeId);
  return node?.node.policy?.effect ?? prepared ?? node?.effect ?? "once";
}

async function callExecutor(context: DriverContext, run: LiveRun, call: Call & { started: Started }): Promise<Json> {
  const { command, work, controller, executor, started, timeoutMs } = call;
  const { signal } = controller;
  const { scope, nodeId, attempt } = command;
  const { input, key, effect, binding, handle } = started;
  const saveHandle = (handle: StepHandle): Promise<void> =>
    appendDurably(context, run, [{ kind: "step_handle", body: { handle }, scope, nodeId, attempt }]);
  const showProgress = (progress: StepProgress): void => context.progress.told({ run, work, scope, nodeId }, progress);
  // A second call could repeat the effect of the first, which may still be on its way.
  const onTimeout = (): void => controller.abort(timeoutError(timeoutMs, !mustKnowFirst(effect)));
  const output = await withDeadline(
    (holdTimeout) =>
      executor.run({
        ...stepRequest(run, command, input),
        key,
        effect,
        timeoutMs,
        holdTimeout,
        signal,
        showProgress,
        saveHandle,
        ...(binding && { binding }),
        ...(handle && { handle }),
      }),
    { ms: timeoutMs, onTimeout, signal },
  );
  return throughJson(output);
}

/** What the journal will hold is what the run goes on with. Nothing returned is null. */
function throughJson(output: Json): Json {
  const text = JSON.stringify(output) ?? "null";
  const error = tooLarge(Buffer.byteLength(text));
  if (error) throw error;
  return parseJson(text);
}

function stepRequest(run: LiveRun, { scope, nodeId, attempt }: Invoke, input: Json): StepRequest {
  const step = { runId: run.id, scope, nodeId, attempt, ...(run.isConfidential ? { confidential: true } : {}) };
  const { initiator, depth } = run.state;
  return { tenantId: run.tenantId, environment: run.environment, initiator, depth, step, input };
}

function timeoutError(timeoutMs: number, retryable: boolean): AppError {
  return new AppError("step_timeout", `Expected an answer within ${timeoutMs} ms; none came.`, { retryable });
}

function appendDurably(context: DriverContext, run: LiveRun, drafts: readonly EventDraft[]): Promise<void> {
  const durable = new Promise<void>((resolve, reject) => {
    if (run.mode === "gone") throw new AppError("run_lost", "This worker does not hold the run any more.");
    appendEvents(context, run, { drafts, onFolded: resolve, onRefused: reject });
  });
  // Whoever waits for it hears of a refusal; nobody has to.
  durable.catch(() => {});
  return durable;
}

import type { EventDraft } from "#contract/journal.ts";
import { decide, endAfter, evaluate, failed, stepKey, type Command } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import { abortStep } from "./abort-step.ts";
import type { DriverContext } from "./context.ts";
import { appendEvents, appendSealed, finishRun, sealEvent, type Sealed } from "./events.ts";
import { invokeStep } from "./invoke-step.ts";
import { committing, workKey, type LiveRun, type Work } from "./live-run.ts";
import { tooLarge } from "./output-size.ts";
import { toStepError } from "./step-error.ts";

type Of<K extends Command["kind"]> = Extract<Command, { kind: K }>;

/**
 * One look at a run: what does its state ask for, and what of that is not under way yet? Pure steps are computed here and
 * now and go into one append; calls are begun; when there is nothing to do, the worker hears until when.
 *
 * decide → (evaluate | invoke | abort | finish) → append → durable → evolve → drive again. A command stays under way until
 * the event that answers it is folded, so equal commands in between are recognised. Successors cannot start earlier than
 * that, because only a folded event makes them appear.
 */
export function drive(context: DriverContext, run: LiveRun): void {
  if (run.mode !== "driving") return;
  run.looks += 1;
  const computed: Computed[] = [];
  let wakeAt: number | null = null;
  for (const command of decide(run.state, context.now())) {
    switch (command.kind) {
      case "finish":
        finishWhenQuiet(context, run, command);
        return;
      case "wait_until":
        wakeAt = wakeAt === null ? command.at : Math.min(wakeAt, command.at);
        break;
      case "evaluate":
        begin(run, command, (work, key) => compute(context, run, { command, work, key, computed }));
        break;
      case "invoke":
        begin(run, command, (work) => void invokeStep(context, run, { command, work }));
        break;
      case "abort":
        if (command.childRunId === undefined) abortStep(context, run, command);
        else stopChild(context, run, { childRunId: command.childRunId, reason: command.reason });
        break;
      case "record":
        record(context, run, command);
        break;
    }
  }
  forgetUnwanted(run);
  if (computed.length > 0) answerAll(context, run, computed);
  rest(context, run, wakeAt);
}

function begin(run: LiveRun, command: Of<"evaluate" | "invoke">, start: (work: Work, key: string) => void): void {
  const key = workKey(command);
  const known = run.underWay.get(key);
  if (known) {
    known.look = run.looks;
    return;
  }
  const { scope, nodeId } = command;
  const begun = { isDropped: false, look: run.looks, place: { scope, nodeId } };
  const work: Work =
    command.kind === "invoke"
      ? { ...begun, phase: "preparing", controller: new AbortController() }
      : { ...begun, phase: "computing", controller: null };
  run.underWay.set(key, work);
  start(work, key);
}

type Computing = { command: Of<"evaluate">; work: Work; key: string };
type Computed = Computing & { draft: EventDraft };
type Computation = Computing & { computed: Computed[] };

/** Plain expressions answer synchronously and cost no promise; the others answer in an append of their own. */
function compute(context: DriverContext, run: LiveRun, { command, work, key, computed }: Computation): void {
  stopAbandonedChild(context, run, command);
  try {
    const draft = evaluate(run.state, command);
    if (draft instanceof Promise) computeLater(context, run, { command, work, key, draft });
    else computed.push({ command, work, key, draft });
  } catch (error) {
    computed.push({ command, work, key, draft: unexpected(context, run, { command, error }) });
  }
}

function computeLater(context: DriverContext, run: LiveRun, { draft, ...computing }: Computing & { draft: Promise<EventDraft> }): void {
  const { command, work } = computing;
  const later = (draft: EventDraft): void => {
    if (!work.isDropped && run.mode === "driving") answerAll(context, run, [{ ...computing, draft }]);
  };
  draft.catch((error: unknown) => unexpected(context, run, { command, error })).then(later, later);
}

function unexpected(context: DriverContext, run: LiveRun, { command, error }: { command: Of<"evaluate">; error: unknown }): EventDraft {
  context.log.error("an expression failed in an unexpected way", { runId: run.id, nodeId: command.nodeId, error });
  return failed(run.state, command, { error: toStepError(error), now: context.now(), random: context.random() });
}

/** A step that is evaluated while its child still runs has waited long enough. */
function stopAbandonedChild(context: DriverContext, run: LiveRun, { scope, nodeId }: Of<"evaluate">): void {
  if (run.state.idle.size === 0) return;
  const { childRunId, delivered } = run.state.steps.get(stepKey(scope, nodeId))?.waiting ?? {};
  if (childRunId !== undefined && !delivered) stopChild(context, run, { childRunId, reason: "its parent has waited long enough" });
}

function answerAll(context: DriverContext, run: LiveRun, computed: readonly Computed[]): void {
  const events = computed.map(({ command, draft }, ahead) => sealAnswer(context, run, { command, draft, ahead }));
  for (const { work } of computed) work.phase = "committing";
  const onFolded = (): void => {
    for (const { key } of computed) run.underWay.delete(key);
  };
  // Nothing else is on its way: the run's last event need not wait until these are folded.
  const isAlone = run.underWay.size === computed.length && run.appendsInFlight === 0;
  const drafts = events.map(({ draft }) => draft);
  const last = isAlone ? endAfter(run.state, drafts) : undefined;
  if (last) finishRun(context, run, { event: last, events, onFolded });
  else appendSealed(context, run, { events, extras: { onFolded } });
}

type Answer = { command: Of<"evaluate">; draft: EventDraft; ahead: number };
function sealAnswer(context: DriverContext, run: LiveRun, { command, draft, ahead }: Answer): Sealed {
  const sealed = sealEvent(context, run, { draft, ahead });
  const error = draft.kind === "step_succeeded" ? tooLarge(sealed.row.body.length) : undefined;
  if (!error) return sealed;
  const instead = failed(run.state, command, { error: toStepError(error), now: context.now(), random: context.random() });
  return sealEvent(context, run, { draft: instead, ahead });
}

/** A failure or a cancel has made work superfluous that has written nothing yet, or a join has ended its step without it. */
function forgetUnwanted(run: LiveRun): void {
  for (const [key, work] of run.underWay) {
    if (work.look === run.looks || work.phase === "committing") continue;
    const hasWritten = work.phase === "starting" || work.phase === "open";
    if (hasWritten && !hasEnded(run, work)) continue;
    work.isDropped = true;
    work.controller?.abort();
    run.underWay.delete(key);
  }
}

const hasEnded = ({ state }: LiveRun, { place }: Work): boolean =>
  place !== undefined && state.steps.get(stepKey(place.scope, place.nodeId))?.endedAt !== undefined;

/** Appends an event that nothing had to be computed for. */
function record(context: DriverContext, run: LiveRun, { event, isQuiet }: Of<"record">): void {
  const key = `record ${event.kind} ${stepKey(event.scope, event.nodeId ?? "")}`;
  if (run.underWay.has(key) || (isQuiet && !isQuietNow(run))) return;
  run.underWay.set(key, committing());
  appendEvents(context, run, {
    drafts: [event],
    onFolded: () => {
      run.underWay.delete(key);
      context.showStatus(run);
    },
  });
}

/** Its end will come by the inbox. */
function stopChild(context: DriverContext, run: LiveRun, child: { childRunId: string; reason: string }): void {
  if (run.stoppedChildren.has(child.childRunId)) return;
  run.stoppedChildren.add(child.childRunId);
  context.stopChild(run, child);
}

/** The last event must really be the last: what is on its way to the journal must be folded first. */
function finishWhenQuiet(context: DriverContext, run: LiveRun, { event }: Of<"finish">): void {
  if (run.state.isForced) dropOpen(run);
  if (isQuietNow(run)) finishRun(context, run, { event });
}

/** Asked when nothing else is to be done: what has written nothing yet is not wanted any more. */
function isQuietNow(run: LiveRun): boolean {
  forgetUnwanted(run);
  return run.underWay.size === 0 && run.appendsInFlight === 0;
}

/** A forced end waits for nobody: calls are cut off, and what they do is not known. */
function dropOpen(run: LiveRun): void {
  for (const [key, work] of run.underWay) {
    if (work.phase === "committing") continue;
    work.isDropped = true;
    work.controller?.abort(new AppError("step_cancelled", "The run is ended by force."));
    run.underWay.delete(key);
  }
}

const LONGEST_TIMER_MS = 2 ** 30;

/** With calls open, a retry's time is waited for here; with nothing open, the worker decides whether to keep the run in memory. */
function rest(context: DriverContext, run: LiveRun, wakeAt: number | null): void {
  clearTimeout(run.timer);
  run.timer = undefined;
  const isBusy = run.underWay.size > 0 || run.appendsInFlight > 0;
  if (!isBusy) context.onIdle(run, wakeAt);
  else if (wakeAt !== null) driveAt(context, run, wakeAt);
}

export function driveAt(context: DriverContext, run: LiveRun, wakeAt: number): void {
  clearTimeout(run.timer);
  const waitMs = Math.min(Math.max(wakeAt - context.now(), 0), LONGEST_TIMER_MS);
  run.timer = setTimeout(() => context.drive(run), waitMs);
}

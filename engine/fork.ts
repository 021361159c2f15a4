/*
 * What of a run's journal still holds in a new run that goes on from it. A step that has finished is kept with all its events,
 * unless it is to be executed again or depends on one that is:
 *
 *   cut step ──▶ all that follows it in its scope
 *       └──▶ the container around it is opened again: its other items stay, later rounds and turns do not
 *                   └──▶ all that follows the container, and so on outwards
 *
 * What failed, was cancelled or had not ended is left out by itself, and so is what was said to the run as a whole, but for
 * changes of its context and signals that no step has taken. A step that was undone is cut: what it did is gone.
 */
import type { EventDraft, JournalEvent, StepPlace } from "#contract/journal.ts";
import { evolve } from "./evolve.ts";
import { askAgain, containersToRedo, undoneSteps } from "./fork-causes.ts";
import { Cut, type Entry } from "./fork-cut.ts";
import { initialState, stepKey, type Start } from "./state.ts";
import type { Plan, RunState, StepState } from "./types.ts";

export type ForkOptions = Start & {
  /** The step that is executed again, with all that depends on it. Without one, the run goes on where it failed. */
  from?: StepPlace;
};

export type Forked =
  /** The events after `run_created`, in order. */
  | { kind: "events"; events: EventDraft[] }
  /** There is no such step in the run, or it has not begun. */
  | { kind: "unknown" }
  /** A grant does not reach into another run, and to ask for this approval again would repeat steps that have finished. */
  | { kind: "approval_needed"; approval: StepPlace };

/** `events` are those of the parent run, from the first; they may end anywhere. */
export function forkEvents(plan: Plan, events: Iterable<JournalEvent>, { from, ...start }: ForkOptions): Forked {
  const { state, entries } = replay(plan, events, start);
  const cut = new Cut(state, entries);
  for (const step of [...undoneSteps(state, entries), ...containersToRedo(state)]) cut.add(step);
  if (from) {
    const step = state.steps.get(stepKey(from.scope, from.nodeId));
    if (!step || !hasBegun(step)) return { kind: "unknown" };
    cut.add(step);
  }
  const approval = askAgain(state, cut);
  if (approval) return { kind: "approval_needed", approval };
  const kept = entries.flatMap((entry) => keptEvent(entry, cut));
  return { kind: "events", events: [...kept, ...untakenSignals(state, entries, cut)] };
}

function replay(plan: Plan, events: Iterable<JournalEvent>, start: Start): { state: RunState; entries: Entry[] } {
  const state = initialState(plan, start);
  const entries: Entry[] = [];
  for (const event of events) {
    evolve(state, event);
    entries.push({ event, step: event.nodeId === null ? undefined : state.steps.get(stepKey(event.scope, event.nodeId)) });
  }
  return { state, entries };
}

/** A step of the run's own way that has done something. */
const hasBegun = ({ startedAt, status, isUndoing }: StepState): boolean =>
  !isUndoing && (startedAt !== undefined || status === "succeeded" || status === "failed");

function keptEvent({ event, step }: Entry, cut: Cut): EventDraft[] {
  if (event.nodeId === null) return event.kind === "context_patched" || event.kind === "version_moved" ? [draftOf(event)] : [];
  // A fork does not stop where its parent was stopped.
  if (!step || event.kind === "breakpoint_hit") return [];
  if (cut.keeps(step)) return [draftOf(event)];
  switch (event.kind) {
    case "map_started": {
      if (!cut.leavesOpen(step)) return [];
      // Items that have ended may come after one that has not, whatever the concurrency.
      const body = { ...event.body, begun: Math.max(event.body.begun ?? 0, step.map?.next ?? 0) };
      return [{ ...draftOf(event), kind: "map_started", body }];
    }
    case "round_started":
      return cut.leavesOpen(step, event.body.index) ? [draftOf(event)] : [];
    case "turns_started":
      return cut.leavesOpen(step, cut.firstTurnOf(event)) ? [draftOf(event)] : [];
    default:
      return [];
  }
}

function draftOf({ seq: _seq, v: _v, epoch: _epoch, at: _at, ...draft }: JournalEvent): EventDraft {
  return draft;
}

/** Signals and calls of hooks are taken in their order, so the last ones of a name are those that nobody has taken. */
function untakenSignals(state: RunState, entries: readonly Entry[], cut: Cut): EventDraft[] {
  const left = new Map([...state.signals].map(([name, payloads]) => [name, payloads.length]));
  const untaken: EventDraft[] = [];
  for (const { event, step } of entries.toReversed()) {
    const name =
      event.kind === "signal_received"
        ? event.body.name
        : event.kind === "hook_called"
          ? `\0${stepKey(event.scope, event.nodeId ?? "")}`
          : "";
    const count = left.get(name) ?? 0;
    if (count === 0) continue;
    left.set(name, count - 1);
    if (!step || cut.awaits(step)) untaken.unshift(draftOf(event));
  }
  return untaken;
}

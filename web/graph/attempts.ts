import type { JournalEvent } from "#contract/journal.ts";

/**
 * What a step did when, read from the journal alone: one segment per attempt and one per pause: between two attempts, or
 * while it waits for a time, a message, a child run or a person. The last segment of a step that is still under way has no end.
 */
export type SegmentKind = "executing" | "backoff" | "waiting";
export type SegmentOutcome = "open" | "succeeded" | "failed" | "cancelled" | "in_doubt" | "done";
export type Segment = { kind: SegmentKind; from: number; to: number | null; outcome: SegmentOutcome; attempt: number; generation: number };

export type StepHistory = {
  scope: string;
  nodeId: string;
  segments: Segment[];
  /** Time of the first event that names the step. */
  firstAt: number;
  lastAt: number;
  /** Whether the journal says when the step was begun; pure steps leave only their result. */
  hasStart: boolean;
  ended: boolean;
  /** The run that the step has started and waited for. */
  childRunId?: string;
  /** Where its output is from when it was not executed. */
  source?: "pin" | "cache";
};

export const historyKey = (scope: string, nodeId: string): string => `${scope}/${nodeId}`;

export function readHistories(events: readonly JournalEvent[]): Map<string, StepHistory> {
  const histories = new Map<string, StepHistory>();
  for (const event of events) {
    // A breakpoint stops the run before the step begins.
    if (event.nodeId === null || event.kind === "breakpoint_hit") continue;
    const key = historyKey(event.scope, event.nodeId);
    const at = Date.parse(event.at);
    const history = histories.get(key) ?? begin(event.scope, event.nodeId, at);
    histories.set(key, history);
    history.lastAt = at;
    apply(history, event, at);
  }
  return histories;
}

const begin = (scope: string, nodeId: string, at: number): StepHistory => ({
  scope,
  nodeId,
  segments: [],
  firstAt: at,
  lastAt: at,
  hasStart: false,
  ended: false,
});

function apply(history: StepHistory, event: JournalEvent, at: number): void {
  switch (event.kind) {
    case "step_started":
      close(history, at, "done");
      history.hasStart = true;
      open(history, { kind: "executing", from: at, attempt: event.attempt, generation: event.body.generation });
      return;
    case "step_waiting":
      if (event.body.childRunId !== undefined) history.childRunId = event.body.childRunId;
      wait(history, event, at);
      return;
    case "approval_requested":
      wait(history, event, at);
      return;
    case "map_started":
    case "round_started":
    case "turns_started":
      // The first of them begins the container; what follows goes on with it.
      if (history.segments.length > 0) return;
      history.hasStart = true;
      open(history, { kind: "executing", from: at, attempt: event.attempt, generation: 1 });
      return;
    case "step_succeeded":
      if (event.body.source !== undefined) history.source = event.body.source;
      end(history, at, "succeeded");
      return;
    case "step_failed":
      if (event.body.retryAt === undefined) end(history, at, "failed");
      else pause(history, { at, outcome: "failed", kind: "backoff", attempt: event.attempt });
      return;
    case "step_cancelled":
      end(history, at, "cancelled");
      return;
    case "step_parked":
      pause(history, { at, outcome: "in_doubt", kind: "waiting", attempt: event.attempt });
      return;
    case "step_answered":
      close(history, at, "done");
      return;
    default:
  }
}

/** What waits has not failed and goes on in the same attempt. */
function wait(history: StepHistory, { attempt }: JournalEvent, at: number): void {
  close(history, at, "done");
  history.hasStart = true;
  open(history, { kind: "waiting", from: at, attempt, generation: history.segments.at(-1)?.generation ?? 1 });
}

function open(history: StepHistory, segment: Pick<Segment, "kind" | "from" | "attempt" | "generation">): void {
  history.segments.push({ ...segment, to: null, outcome: "open" });
}

/** Ends the open segment, if there is one. */
function close(history: StepHistory, at: number, outcome: SegmentOutcome): void {
  const last = history.segments.at(-1);
  if (last?.to !== null) return;
  last.to = at;
  last.outcome = outcome;
}

function end(history: StepHistory, at: number, outcome: SegmentOutcome): void {
  const last = history.segments.at(-1);
  if (last?.to === null) close(history, at, outcome);
  else
    history.segments.push({
      kind: "executing",
      from: at,
      to: at,
      outcome,
      attempt: (last?.attempt ?? 0) + 1,
      generation: last?.generation ?? 1,
    });
  history.ended = true;
}

type Pause = { at: number; outcome: SegmentOutcome; kind: SegmentKind; attempt: number };
function pause(history: StepHistory, { at, outcome, kind, attempt }: Pause): void {
  end(history, at, outcome);
  history.ended = false;
  open(history, { kind, from: at, attempt, generation: history.segments.at(-1)?.generation ?? 1 });
}

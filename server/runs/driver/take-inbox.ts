import type { Json } from "#contract/common.ts";
import type { EventDraft, EventPayload } from "#contract/journal.ts";
import { isBlocked, stepKey, type RunState, type StepState } from "#engine/index.ts";
import { Messages, type MessageKind } from "../messages.ts";
import type { DriverContext } from "./context.ts";
import { appendEvents } from "./events.ts";
import type { InboxRow, LiveRun } from "./live-run.ts";
import { inboxRowName } from "./row-names.ts";
import { moveDrafts } from "./take-move.ts";

/** Queues rows that the run has not seen yet and begins with the first. Rows may be handed over more than once. */
export function receive(context: DriverContext, run: LiveRun, rows: readonly InboxRow[]): void {
  for (const row of rows) {
    if (run.inbox.known.has(row.id)) continue;
    run.inbox.known.add(row.id);
    run.inbox.waiting.push(row);
  }
  takeNext(context, run);
}

/** A look into the inbox is over. Rows that had left it before it began cannot be handed over again. */
export function endRead({ inbox }: LiveRun): void {
  inbox.reads -= 1;
  if (inbox.reads > 0) return;
  for (const id of inbox.gone.splice(0)) inbox.known.delete(id);
}

/**
 * Turns the next row into events that carry its id, in the statement that removes the row. A row that says nothing new (a
 * second cancel, an answer to a question already answered) leaves without an event.
 */
function takeNext(context: DriverContext, run: LiveRun): void {
  if (run.inbox.isBusy || run.mode === "gone") return;
  const needless: string[] = [];
  for (let row = run.inbox.waiting.shift(); row; row = run.inbox.waiting.shift()) {
    const body = context.codec.decode(row.body, { tenantId: run.tenantId, row: inboxRowName(row.id) });
    const { kind } = row;
    const drafts = kind === "move" ? moveDrafts(run, row.id, body) : DRAFTS[kind](run.state, row.id, body);
    if (drafts.length === 0) {
      needless.push(row.id);
      continue;
    }
    run.inbox.isBusy = true;
    appendEvents(context, run, {
      drafts,
      consumed: [row.id],
      onFolded: () => {
        run.inbox.isBusy = false;
        run.inbox.gone.push(row.id);
        if (kind === "move") context.showVersion(run);
        takeNext(context, run);
      },
    });
    break;
  }
  if (needless.length > 0) context.discardInbox(run, needless);
}

type ToDrafts = (state: RunState, inboxId: string, body: Json) => EventDraft[];

/** What each kind of message becomes. Nothing, when it comes too late to change anything. */
const DRAFTS: Record<Exclude<MessageKind, "move">, ToDrafts> = {
  cancel: (state, inboxId, body) => {
    const isNew = state.status !== "cancelling" && state.status !== "compensating";
    return isNew ? [ofRun({ kind: "cancel_requested", body: { ...Messages.cancel.parse(body), inboxId } })] : [];
  },
  force: (state, inboxId, body) =>
    state.isForced ? [] : [ofRun({ kind: "force_requested", body: { ...Messages.force.parse(body), inboxId } })],
  pause: (state, inboxId, body) => {
    const canPause = !state.isPaused && (state.status === "running" || state.status === "waiting");
    return canPause ? [ofRun({ kind: "run_paused", body: { ...Messages.pause.parse(body), inboxId } })] : [];
  },
  unpause: (state, inboxId, body) =>
    state.isPaused ? [ofRun({ kind: "run_resumed", body: { ...Messages.unpause.parse(body), inboxId } })] : [],
  context: (_state, inboxId, body) => [ofRun({ kind: "context_patched", body: { ...Messages.context.parse(body), inboxId } })],
  signal: (_state, inboxId, body) => [ofRun({ kind: "signal_received", body: { ...Messages.signal.parse(body), inboxId } })],
  answer: answerDrafts,
  hook: (state, inboxId, body) => {
    const { scope, nodeId, ...said } = Messages.hook.parse(body);
    const step = state.scopes.has(scope) ? state.steps.get(stepKey(scope, nodeId)) : undefined;
    // A call may come before its step: only one for a step that has ended comes too late.
    const isLate = !state.scopes.has(scope) || step?.endedAt !== undefined;
    return isLate ? [] : [{ kind: "hook_called", body: { ...said, inboxId }, scope, nodeId, attempt: step?.attempt ?? 1 }];
  },
  child: (state, inboxId, body) => {
    const { scope, nodeId, ...child } = Messages.child.parse(body);
    return ofStep(state, { scope, nodeId }, { kind: "child_ended", body: { ...child, inboxId } });
  },
  decision: (state, inboxId, body) => {
    const { scope, nodeId, ...said } = Messages.decision.parse(body);
    return ofApproval(state, { scope, nodeId }, { kind: "approval_decided", body: { ...said, inboxId } });
  },
  delegation: (state, inboxId, body) => {
    const { scope, nodeId, ...said } = Messages.delegation.parse(body);
    return ofApproval(state, { scope, nodeId }, { kind: "approval_delegated", body: { ...said, inboxId } });
  },
};

const ofRun = (event: EventPayload): EventDraft => ({ ...event, scope: "", nodeId: null, attempt: 0 });

type Place = { scope: string; nodeId: string };
function ofStep(state: RunState, { scope, nodeId }: Place, event: EventPayload): EventDraft[] {
  const step = state.steps.get(stepKey(scope, nodeId));
  if (!step || step.endedAt !== undefined) return [];
  return [{ ...event, scope, nodeId, attempt: step.attempt }];
}

/** What is decided, expired or given up is not decided again. */
function ofApproval(state: RunState, place: Place, event: EventPayload): EventDraft[] {
  const step = state.steps.get(stepKey(place.scope, place.nodeId));
  return step?.approval && step.status === "waiting" ? ofStep(state, place, event) : [];
}

/** An answer to all questions is not meant for steps that wait for a decision elsewhere; those must be named, or what they wait for. */
export const isAnswerTo = (
  answer: { code?: string | undefined; nodeId?: string | undefined },
  question: { code?: string | undefined },
): boolean => (answer.code === undefined ? answer.nodeId !== undefined || question.code === undefined : answer.code === question.code);

function answerDrafts(state: RunState, inboxId: string, body: Json): EventDraft[] {
  const { by, answer, nodeId, scope, output, code } = Messages.answer.parse(body);
  const isMeant = (step: StepState): boolean =>
    step.status === "parked" &&
    isAnswerTo({ code, nodeId }, { code: isBlocked(step) ? step.error?.code : undefined }) &&
    (nodeId === undefined || step.nodeId === nodeId) &&
    (scope === undefined || step.scope === scope);
  // Of a large run, only what waits is looked at; of one that is named, only that one.
  const isNamed = nodeId !== undefined && scope !== undefined;
  const asked = isNamed ? [state.steps.get(stepKey(scope, nodeId)) ?? []].flat() : [...state.idle];
  return asked.filter(isMeant).map((step) => ({
    kind: "step_answered",
    body: { answer, by, inboxId, ...(output !== undefined && { output }) },
    scope: step.scope,
    nodeId: step.nodeId,
    attempt: step.attempt,
  }));
}

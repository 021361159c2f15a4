import { z } from "zod";
import { Json } from "#contract/common.ts";
import { Answer, type EventDraft } from "#contract/journal.ts";
import type { StepState } from "#engine/index.ts";
import type { DriverContext } from "./context.ts";
import { appendEvents } from "./events.ts";
import type { InboxRow, LiveRun } from "./live-run.ts";
import { inboxRowName } from "./row-names.ts";

/** What others can say to a run, as stored in its inbox. */
export const CancelMessage = z.object({ by: z.string(), reason: z.string().optional() });
export const AnswerMessage = z.object({
  by: z.string(),
  answer: Answer,
  nodeId: z.string().optional(),
  scope: z.string().optional(),
  output: Json.optional(),
});

const ContextMessage = z.object({ by: z.string(), patch: z.record(z.string(), Json) });

/** Queues rows that the run has not seen yet and begins with the first. Rows may be handed over more than once. */
export function receive(context: DriverContext, run: LiveRun, rows: readonly InboxRow[]): void {
  for (const row of rows) {
    if (run.inbox.known.has(row.id)) continue;
    run.inbox.known.add(row.id);
    run.inbox.waiting.push(row);
  }
  takeNext(context, run);
}

/**
 * Turns the next row into events that carry its id, in the statement that removes the row. A row that says nothing new (a
 * second cancel, an answer to a question already answered) leaves without an event.
 */
function takeNext(context: DriverContext, run: LiveRun): void {
  if (run.inbox.isBusy || run.mode === "gone") return;
  const needless: string[] = [];
  for (let row = run.inbox.waiting.shift(); row; row = run.inbox.waiting.shift()) {
    const drafts = draftsOf(context, run, row);
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
        takeNext(context, run);
      },
    });
    break;
  }
  if (needless.length > 0) context.discardInbox(run, needless);
}

function draftsOf({ codec }: DriverContext, run: LiveRun, row: InboxRow): EventDraft[] {
  const body = codec.decode(row.body, { tenantId: run.tenantId, row: inboxRowName(row.id) });
  if (row.kind === "context") return [contextDraft(row.id, body)];
  return row.kind === "cancel" ? cancelDraft(run, row.id, body) : answerDrafts(run, row.id, body);
}

function contextDraft(inboxId: string, body: Json): EventDraft {
  return { kind: "context_patched", body: { ...ContextMessage.parse(body), inboxId }, scope: "", nodeId: null, attempt: 0 };
}

function cancelDraft(run: LiveRun, inboxId: string, body: Json): EventDraft[] {
  if (run.state.status === "cancelling") return [];
  return [{ kind: "cancel_requested", body: { ...CancelMessage.parse(body), inboxId }, scope: "", nodeId: null, attempt: 0 }];
}

function answerDrafts(run: LiveRun, inboxId: string, body: Json): EventDraft[] {
  const { by, answer, nodeId, scope, output } = AnswerMessage.parse(body);
  const isMeant = (step: StepState): boolean =>
    step.status === "parked" && (nodeId === undefined || step.nodeId === nodeId) && (scope === undefined || step.scope === scope);
  return [...run.state.steps.values()].filter(isMeant).map((step) => ({
    kind: "step_answered",
    body: { answer, by, inboxId, ...(output !== undefined && { output }) },
    scope: step.scope,
    nodeId: step.nodeId,
    attempt: step.attempt,
  }));
}

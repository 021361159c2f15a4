import type { EventDraft } from "#contract/journal.ts";
import { parseJson } from "#contract/parse-json.ts";
import { evolve } from "#engine/index.ts";
import { AppError } from "../../kernel/errors.ts";
import type { JournalRow, Refusal, RunEnd } from "../journal/append.ts";
import { approvalChanges } from "./approval-rows.ts";
import type { DriverContext } from "./context.ts";
import { FINISH_KEY, committing, dropWork, type LiveRun } from "./live-run.ts";
import { journalRowName } from "./row-names.ts";
import { toStepError } from "./step-error.ts";
import { runEnd } from "./run-end.ts";

/** An event as it will be read back, beside the bytes that will be stored. */
export type Sealed = { draft: EventDraft; row: JournalRow };

/**
 * Redacts and encodes. What the live state is fed is the redacted value after one trip through JSON, so that folding the
 * journal later gives exactly the same. `ahead` is how many events of the same append come before this one.
 */
export function sealEvent(
  { codec, redactor }: Pick<DriverContext, "codec" | "redactor">,
  run: Pick<LiveRun, "id" | "tenantId" | "nextSeq" | "isConfidential">,
  { draft, ahead }: { draft: EventDraft; ahead: number },
): Sealed {
  const text = JSON.stringify(draft.body);
  const isClean = holdsNoSecret(redactor, text);
  const body = isClean ? parseJson(text) : redactor.json(parseJson(text));
  const at = { tenantId: run.tenantId, row: journalRowName(run.id, run.nextSeq + ahead), confidential: run.isConfidential };
  const { kind, scope, nodeId, attempt } = draft;
  const bytes = isClean ? codec.encodeText(text, at) : codec.encode(body, at);
  return { draft: { ...draft, body }, row: { kind, scope, nodeId, attempt, body: bytes } };
}

/**
 * One look at the whole text instead of one at each of its strings, in nearly all events. Where nothing is escaped, every string
 * stands in the text as it is, so what is not in the text is in none of them; else the strings must be looked at themselves.
 */
function holdsNoSecret(redactor: DriverContext["redactor"], json: string): boolean {
  return !json.includes("\\") && redactor.text(json) === json;
}

type Extras = {
  end?: RunEnd;
  consumed?: readonly string[];
  /** After the events are folded, before the run is looked at again. */
  onFolded?: () => void;
  onRefused?: (error: AppError) => void;
};

/** Submits events in order and at once; folds them when they are durable, and only then decides what comes next. */
export function appendEvents(
  context: DriverContext,
  run: LiveRun,
  { drafts, ...extras }: Extras & { drafts: readonly EventDraft[] },
): void {
  appendSealed(context, run, { events: drafts.map((draft, ahead) => sealEvent(context, run, { draft, ahead })), extras });
}

export function appendSealed(
  context: DriverContext,
  run: LiveRun,
  { events, extras }: { events: readonly Sealed[]; extras: Extras },
): void {
  const firstSeq = run.nextSeq;
  const appendId = run.nextAppendId;
  run.nextSeq += events.length;
  run.nextAppendId += 1;
  run.appendsInFlight += 1;
  const { end, consumed, onFolded, onRefused } = extras;
  const approvals = run.state.plan.hasApprovals ? approvalChanges(context, run, { events, isEnd: end !== undefined }) : undefined;
  context.writer.submit({
    holder: run,
    firstSeq,
    appendId,
    rows: events.map(({ row }) => row),
    end,
    consumed,
    approvals,
    onDurable: (at) => {
      run.appendsInFlight -= 1;
      fold(context, run, { events, firstSeq, at });
      onFolded?.();
      if (run.mode === "gone") return;
      context.onProgress(run);
      if (end) context.onEnded(run);
      else context.drive(run);
    },
    onRefused: (refusal) => {
      run.appendsInFlight -= 1;
      onRefused?.(refusal.kind === "lost" ? lostError() : refusal.error);
      refused(context, run, refusal);
    },
  });
}

type Stored = { events: readonly Sealed[]; firstSeq: number; at: number };
function fold({ observer }: DriverContext, run: LiveRun, { events, firstSeq, at }: Stored): void {
  const time = isoTime(at);
  let seq = firstSeq;
  for (const { draft } of events) {
    evolve(run.state, { ...draft, seq, v: 1, epoch: run.epoch, at: time });
    observe(observer, run, draft);
    seq += 1;
  }
}

function observe(observer: DriverContext["observer"], run: LiveRun, draft: EventDraft): void {
  if (!observer.onStep || draft.nodeId === null) return;
  if (draft.kind !== "step_succeeded" && draft.kind !== "step_failed" && draft.kind !== "step_cancelled") return;
  const type = run.state.plan.nodes.get(draft.nodeId)?.type;
  const willRetry = draft.kind === "step_failed" && draft.body.retryAt !== undefined;
  if (type) observer.onStep({ type, event: draft.kind, willRetry });
}

/**
 * Another worker's run is dropped. An event that the database refuses to store makes the run fail, since it can
 * neither go on nor be left; if even that cannot be stored, the run is let go.
 */
function refused(context: DriverContext, run: LiveRun, refusal: Refusal): void {
  if (run.mode === "gone") return;
  const isFinishing = run.underWay.has(FINISH_KEY);
  dropWork(run, lostError());
  if (refusal.kind === "lost" || refusal.error.code !== "internal" || isFinishing) {
    run.mode = "gone";
    context.onLost(run);
    return;
  }
  context.log.error("an event could not be stored; the run fails", { runId: run.id, error: refusal.error });
  run.nextSeq = run.state.seq + 1;
  finishRun(context, run, { event: { kind: "run_failed", body: { error: toStepError(refusal.error) } } });
}

type FinalEvent = Parameters<typeof runEnd>[2];

/** `events`: others that the run's last one follows in the same append. */
type Finish = { event: FinalEvent; events?: readonly Sealed[]; onFolded?: () => void };

/** Submits the run's last event together with what its row becomes. */
export function finishRun(context: DriverContext, run: LiveRun, { event, events = [], onFolded }: Finish): void {
  run.underWay.set(FINISH_KEY, committing());
  const draft: EventDraft = { ...event, scope: "", nodeId: null, attempt: 0 };
  const last = sealEvent(context, run, { draft, ahead: events.length });
  appendSealed(context, run, {
    events: [...events, last],
    extras: {
      end: runEnd(context, run, event),
      ...(onFolded && { onFolded }),
      // What could not be stored may be one of the others: the run can still end otherwise.
      ...(events.length > 0 && { onRefused: () => run.underWay.delete(FINISH_KEY) }),
    },
  });
}

export const lostError = (): AppError => new AppError("run_lost", "This worker does not hold the run any more.");

/** All events of a batch have the same time, and batches follow one another closely. */
let lastAt = Number.NaN;
let lastText = "";
function isoTime(at: number): string {
  if (at !== lastAt) {
    lastAt = at;
    lastText = new Date(at).toISOString();
  }
  return lastText;
}

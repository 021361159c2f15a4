import type { ApprovalStatus } from "#contract/approvals.ts";
import type { EventKind } from "#contract/journal.ts";
import type { AppError } from "../../kernel/errors.ts";

/** One event, ready to be stored. `body` has been through redactor and codec. */
export type JournalRow = {
  kind: EventKind;
  scope: string;
  nodeId: string | null;
  attempt: number;
  body: Buffer;
};

/** What the run's row becomes in the statement that stores its last event. */
export type RunEnd = {
  status: "succeeded" | "failed" | "cancelled";
  output: Buffer | null;
  error: Buffer | null;
  /** A message for the run whose step waits for this one. */
  told?: { runId: string; inboxId: string; body: Buffer };
};

/** What the events mean for the list of approvals. */
export type ApprovalChanges = { readonly asked: readonly AskedApproval[]; readonly changed: readonly ChangedApproval[] };
export type AskedApproval = {
  readonly id: string;
  readonly scope: string;
  readonly nodeId: string;
  readonly approvers: readonly string[];
  readonly needed: number;
  /** ms since the epoch. */
  readonly deadline: number | null;
  readonly body: Buffer;
};
/** Of the pending approval at this place. `approvers` replaces those who may decide, and lifts the deadline. */
export type ChangedApproval = {
  readonly scope: string;
  readonly nodeId: string;
  readonly status: ApprovalStatus;
  readonly approvers: readonly string[] | null;
};

/** A run as its holder appends to it. The bytes are those of the ids, made once per run. */
export type Holder = {
  readonly id: string;
  readonly idBytes: Buffer;
  readonly tenantBytes: Buffer;
  /** Which connection writes this run: always the same, so that its events keep their order. */
  readonly lane: number;
  readonly epoch: number;
};

/**
 * Events that become durable together or not at all. Exactly one of the callbacks is called, once. An append that is
 * refused takes every later one of the same run with it: their numbers would leave a gap.
 */
export type Append = {
  readonly holder: Holder;
  readonly firstSeq: number;
  /** Unique within the run and epoch; by it the writer recognises its own rows after a lost answer. */
  readonly appendId: number;
  readonly rows: readonly JournalRow[];
  readonly end?: RunEnd;
  /** Ids of the inbox rows that these events answer; they leave the inbox in the same statement. */
  readonly consumed?: readonly string[];
  readonly approvals?: ApprovalChanges;
  /** `at` is the database's time in ms since the epoch, as stored. */
  onDurable(at: number): void;
  onRefused(refusal: Refusal): void;
};

/** `lost`: another worker holds the run. `failed`: these rows cannot be stored, or the writer stopped. */
export type Refusal = { kind: "lost" } | { kind: "failed"; error: AppError };

/** The appends of one run within a batch, in order. `isSettled`: its listeners have been told. */
export type RunAppends = { readonly holder: Holder; readonly appends: Append[]; isSettled: boolean };

/** In order of run id: two batches that touch the same runs then lock them in the same order. */
export function groupByRun(appends: readonly Append[]): RunAppends[] {
  const groups = new Map<string, RunAppends>();
  for (const append of appends) {
    const group = groups.get(append.holder.id);
    if (group) group.appends.push(append);
    else groups.set(append.holder.id, { holder: append.holder, appends: [append], isSettled: false });
  }
  return [...groups.values()].sort((a, b) => (a.holder.id < b.holder.id ? -1 : 1));
}

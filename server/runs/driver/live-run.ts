import type { Effect } from "#contract/policy.ts";
import type { StepPlace } from "#contract/journal.ts";
import type { RunState, StepCommand } from "#engine/index.ts";
import { uuidBytes } from "../../kernel/array-column.ts";
import type { MessageKind } from "../messages.ts";
import type { Holder } from "../journal/append.ts";

/**
 * What is being done about one command:
 * `computing` an asynchronous expression → `committing`
 * `preparing` (arguments, executor's choice) → `starting` (its `step_started` is not durable yet) → `open` → `committing`
 * Work that has written nothing yet (`computing`, `preparing`) can be forgotten; the rest must be answered by an event.
 */
export type Work = {
  phase: "computing" | "preparing" | "starting" | "open" | "committing";
  /** Its result is no longer wanted and must not be journaled. */
  isDropped: boolean;
  /** The last look at the run in which this work was still asked for. */
  look: number;
  readonly controller: AbortController | null;
  /** The step it is about; absent for what concerns the whole run. */
  readonly place?: StepPlace;
  effect?: Effect;
};

/** A run that this process holds, with everything it needs in memory. */
export type LiveRun = Holder & {
  readonly tenantId: string;
  readonly workflowId: string;
  readonly environment: string;
  readonly isConfidential: boolean;
  readonly state: RunState;
  /** The number of the next event to be submitted; ahead of `state.seq` while appends are in flight. */
  nextSeq: number;
  nextAppendId: number;
  appendsInFlight: number;
  readonly underWay: Map<string, Work>;
  /** How often the run has been looked at. */
  looks: number;
  /** `runs.inbox_seq` as of the last look into the inbox. */
  inboxSeen: number;
  /** What others have said, taken in one after another: what an answer means depends on what the one before it has changed. */
  readonly inbox: Inbox;
  /** Since when, in monotonic ms, the lease is known to have been this holder's for its whole length. */
  leaseFrom: number;
  /** Grants that calls in hand have taken, by the place of their approval: the journal does not show them yet. */
  readonly takenGrants: Map<string, string>;
  /** Child runs that have been told to stop. */
  readonly stoppedChildren: Set<string>;
  /** The number of the event that the newest snapshot ends with (0: none), and of the one from which the next is due. */
  snapshot: { seq: number; dueAt: number; isBeingStored: boolean };
  timer: NodeJS.Timeout | undefined;
  /** Nothing is decided while `recovering` or `parking`; `gone` is for ever. */
  mode: "recovering" | "driving" | "parking" | "gone";
};

/** Events from one snapshot of a run to the next, at least. */
export const SNAPSHOT_EVENTS = 1_000;

/** Something that somebody else has to say to a run. */
export type InboxRow = { readonly id: string; readonly kind: MessageKind; readonly body: Buffer };

/** `known`: ids that may be handed over again; `gone`: those of them whose rows have left; `reads`: looks that are under way. */
type Inbox = { readonly waiting: InboxRow[]; readonly known: Set<string>; readonly gone: string[]; reads: number; isBusy: boolean };

/** Work that nothing can take back any more, only be folded. */
export const committing = (): Work => ({ phase: "committing", isDropped: false, look: 0, controller: null });

export type HeldRun = {
  id: string;
  tenantId: string;
  workflowId: string;
  environment: string;
  isConfidential: boolean;
  epoch: number;
  inboxSeq: number;
};

/** `state` is the fold of its journal so far. */
export function createLiveRun(held: HeldRun, state: RunState, lane: number): LiveRun {
  return {
    id: held.id,
    idBytes: uuidBytes(held.id),
    tenantId: held.tenantId,
    tenantBytes: uuidBytes(held.tenantId),
    workflowId: held.workflowId,
    environment: held.environment,
    isConfidential: held.isConfidential,
    lane,
    epoch: held.epoch,
    state,
    nextSeq: state.seq + 1,
    nextAppendId: 1,
    appendsInFlight: 0,
    underWay: new Map(),
    looks: 0,
    inboxSeen: held.inboxSeq,
    inbox: { waiting: [], known: new Set(), gone: [], reads: 0, isBusy: false },
    leaseFrom: performance.now(),
    takenGrants: new Map(),
    stoppedChildren: new Set(),
    snapshot: { seq: 0, dueAt: SNAPSHOT_EVENTS, isBeingStored: false },
    timer: undefined,
    mode: "driving",
  };
}

type Address = Pick<StepCommand, "scope" | "nodeId" | "generation" | "attempt">;

/** Equal commands have equal keys. An attempt is evaluated or invoked, never both, so the kind is only told apart for `abort`. */
export function workKey({ scope, nodeId, generation, attempt }: Address): string {
  return `${scope} ${nodeId} ${generation} ${attempt}`;
}
export const abortKey = (command: Address): string => `abort ${workKey(command)}`;
export const FINISH_KEY = "finish";

/** Forgets the work in hand and ends its open calls, without writing anything. */
export function dropWork(run: LiveRun, reason: Error): void {
  for (const work of run.underWay.values()) {
    work.isDropped = true;
    work.controller?.abort(reason);
  }
  run.underWay.clear();
  clearTimeout(run.timer);
  run.timer = undefined;
}

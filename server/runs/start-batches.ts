import type { EventBody, JournalEvent } from "#contract/journal.ts";
import type { Plan } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import type { Audit, AuditDrafts, AuditRecord, Database } from "../kernel/ports.ts";
import { gatherByTenant } from "../kernel/gather.ts";
import { isTransactionConflict, isUniqueViolation } from "../kernel/pg-errors.ts";
import {
  findOutdated,
  insertRuns,
  insertRunsAtOnce,
  type AuditedStart,
  type Believed,
  type Claim,
  type NewRun,
  type StoredAt,
} from "./store/insert-runs.pg.ts";
import type { HeldRuns } from "./worker/held-runs.ts";
import type { FreshRun } from "./worker/load-run.ts";

/** A run to be started: its row, its plan, its first event as it will be read back, and the audit line. */
export type StartOrder = {
  run: NewRun;
  plan: Plan;
  /** What must still be so, because it was not asked for this start. */
  believed: Believed | null;
  created: EventBody<"run_created">;
  audit: AuditRecord;
};
/** `key_taken`: the caller has used this Idempotency-Key before. `outdated`: what was believed is not so. */
export type StartResult =
  | { kind: "started"; at: Date; isClaimed: boolean }
  | { kind: "key_taken" }
  | { kind: "outdated" }
  | { kind: "failed"; error: unknown };

type Deps = {
  database: Database;
  audit: Audit;
  auditDrafts: AuditDrafts;
  held: HeldRuns;
  /** Runs wait in the table: whoever comes now waits behind them, so that no tenant gets past the others. */
  isBacklogged: () => boolean;
  claimant: { owner: string; leaseMs: number; body: Buffer };
  onClaimed: (run: FreshRun) => void;
  /** The run was left in the table. */
  onLeft: (run: NewRun) => void;
};

const BATCH_RUNS = 200;
/** Others may record in the same trail at any moment. */
const ATTEMPTS_AT_ONCE = 2;

type Batches = Deps & { insertAtOnce: (start: AuditedStart) => Promise<StoredAt | undefined> };

/**
 * Starts that arrive while others are being committed share the next transaction: rows, first events, idempotency keys and
 * audit lines of all of them, or of none. Each tenant has batches of its own. If a batch fails, its starts go one by one.
 */
export function createStartBatches(deps: Deps): (order: StartOrder) => Promise<StartResult> {
  const batches = { ...deps, insertAtOnce: insertRunsAtOnce(deps.database, deps.auditDrafts) };
  const start = gatherByTenant<StartOrder, StartResult>((tenantId, orders) => startAll(batches, tenantId, orders), BATCH_RUNS);
  return (order) => start(order.run.tenantId, order);
}

async function startAll(batches: Batches, tenantId: string, orders: readonly StartOrder[]): Promise<readonly StartResult[]> {
  try {
    return await startTogether(batches, tenantId, orders);
  } catch (error) {
    // A lost connection leaves open whether the runs were stored; trying again could only make that worse.
    if (orders.length === 1 || error instanceof AppError) return orders.map(() => ({ kind: "failed", error }));
    const alone = await Promise.all(orders.map((order) => startAll(batches, tenantId, [order])));
    return alone.flat();
  }
}

async function startTogether(batches: Batches, tenantId: string, orders: readonly StartOrder[]): Promise<readonly StartResult[]> {
  const { held, claimant, isBacklogged } = batches;
  const places = isBacklogged() ? 0 : held.reserve(orders.length);
  const claim = { ...claimant, count: places };
  let stored: Stored;
  try {
    stored = await store(batches, { tenantId, orders, claim });
  } finally {
    held.unreserve(places);
  }
  const results = orders.map((order, i) => resultOf(stored(order), i < places));
  takeUp(batches, orders, results);
  return results;
}

type Batch = { tenantId: string; orders: readonly StartOrder[]; claim: Claim };
/** When each was stored, or why it was not. */
type Stored = (order: StartOrder) => Date | "key_taken" | "outdated";

async function store(batches: Batches, batch: Batch): Promise<Stored> {
  let lost: AppError | undefined;
  try {
    const stored = await storeAtOnce(batches, batch);
    if (stored) return stored;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "database_unavailable") throw error;
    lost = error;
  }
  try {
    return await storeInSteps(batches, batch, lost);
  } catch (error) {
    // The connection broke after the runs had been stored. They are taken over like those of a worker that died.
    if (lost && isUniqueViolation(error)) throw lost;
    throw error;
  }
}

/** The usual way, in one round trip. Undefined when something stood in the way, and nothing was stored. */
async function storeAtOnce({ auditDrafts, insertAtOnce }: Batches, { tenantId, orders, claim }: Batch): Promise<Stored | undefined> {
  const records = orders.map(({ audit }) => audit);
  const believed = believedBy(orders);
  for (let attempt = 1; attempt <= ATTEMPTS_AT_ONCE; attempt += 1) {
    const draft = await auditDrafts.draft(tenantId, records);
    if (!draft) return undefined;
    let stored: StoredAt | undefined;
    try {
      stored = await insertAtOnce({ tenantId, runs: orders.map(({ run }) => run), claim, draft, believed });
    } catch (error) {
      draft.settle({ kind: "not_recorded" });
      // A key that is taken, or was being taken in another order: the other way tells which.
      if (isUniqueViolation(error) || isTransactionConflict(error)) return undefined;
      throw error;
    }
    draft.settle(stored ? { kind: "recorded", at: stored.now } : { kind: "not_recorded" });
    if (!stored) continue;
    const at = new Date(stored.at);
    return () => at;
  }
  return undefined;
}

/**
 * With locks instead of expectations: always gets there, and leaves out the starts whose key is taken or whose belief is wrong.
 * After a lost connection they may be stored already, as they are: then they are not to be made anew.
 */
async function storeInSteps({ database, audit }: Batches, { tenantId, orders, claim }: Batch, lost?: AppError): Promise<Stored> {
  return database.asTenant(tenantId, async (tx) => {
    const outdated = new Set((await findOutdated(tx, believedBy(orders))).map(keyOf));
    if (lost && outdated.size > 0) throw lost;
    const isOutdated = ({ believed }: StartOrder): boolean => believed !== null && outdated.has(keyOf(believed));
    const runs = orders.filter((order) => !isOutdated(order)).map(({ run }) => run);
    const started = new Map((await insertRuns(tx, runs, claim)).map(({ id, at }) => [id, at]));
    await audit.record(tx, ...orders.filter(({ run }) => started.has(run.id)).map((order) => order.audit));
    return (order) => started.get(order.run.id) ?? (isOutdated(order) ? "outdated" : "key_taken");
  });
}

/** Each once. */
function believedBy(orders: readonly StartOrder[]): Believed[] {
  const all = new Map<string, Believed>();
  for (const { believed } of orders) if (believed) all.set(keyOf(believed), believed);
  return [...all.values()];
}
const keyOf = ({ id, name, version }: Believed): string => `${id} ${version} ${name}`;

function resultOf(stored: ReturnType<Stored>, isClaimed: boolean): StartResult {
  return typeof stored === "string" ? { kind: stored } : { kind: "started", at: stored, isClaimed };
}

function takeUp({ claimant, onClaimed, onLeft }: Deps, orders: readonly StartOrder[], results: readonly StartResult[]): void {
  for (const [i, order] of orders.entries()) {
    const result = results[i];
    if (result?.kind !== "started") continue;
    if (result.isClaimed) onClaimed(freshRunOf(order, result.at, claimant.owner));
    else onLeft(order.run);
  }
}

/** The first two events as they were stored. */
function freshRunOf({ run, plan, created }: StartOrder, at: Date, owner: string): FreshRun {
  const { id, tenantId, workflowId, environment, isConfidential } = run;
  const base = { v: 1, scope: "", nodeId: null, attempt: 0, at: at.toISOString() } as const;
  const events: JournalEvent[] = [
    { ...base, seq: 1, epoch: 0, kind: "run_created", body: created },
    { ...base, seq: 2, epoch: 1, kind: "run_claimed", body: { owner } },
  ];
  return { held: { id, tenantId, workflowId, environment, isConfidential, epoch: 1, inboxSeq: 0 }, plan, events };
}

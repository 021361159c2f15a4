import type { EventBody, JournalEvent } from "#contract/journal.ts";
import type { Plan } from "#engine/index.ts";
import { AppError } from "../kernel/errors.ts";
import type { Audit, AuditRecord, Database } from "../kernel/ports.ts";
import { gather } from "../kernel/gather.ts";
import { insertRuns, type NewRun } from "./store/insert-runs.pg.ts";
import type { HeldRuns } from "./worker/held-runs.ts";
import type { FreshRun } from "./worker/load-run.ts";

/** A run to be started: its row, its plan, its first event as it will be read back, and the audit line. */
export type StartOrder = { run: NewRun; plan: Plan; created: EventBody<"run_created">; audit: AuditRecord };
/** `key_taken`: the caller has used this Idempotency-Key before. */
export type StartResult = { kind: "started"; at: Date; isClaimed: boolean } | { kind: "key_taken" } | { kind: "failed"; error: unknown };

type Deps = {
  database: Database;
  audit: Audit;
  held: HeldRuns;
  claimant: { owner: string; leaseMs: number; body: Buffer };
  onClaimed: (run: FreshRun) => void;
  /** The run was left in the table for want of room. */
  onLeft: (run: NewRun) => void;
};

const BATCH_RUNS = 200;

/**
 * Starts that arrive while others are being committed share the next transaction: rows, first events, idempotency keys and
 * audit lines of all of them, or of none. Each tenant has batches of its own. If a batch fails, its starts go one by one.
 */
export function createStartBatches(deps: Deps): (order: StartOrder) => Promise<StartResult> {
  const byTenant = new Map<string, (order: StartOrder) => Promise<StartResult>>();
  return (order) => {
    const { tenantId } = order.run;
    const known = byTenant.get(tenantId);
    if (known) return known(order);
    const made = gather<StartOrder, StartResult>((orders) => startAll(deps, tenantId, orders), BATCH_RUNS);
    byTenant.set(tenantId, made);
    return made(order);
  };
}

async function startAll(deps: Deps, tenantId: string, orders: readonly StartOrder[]): Promise<readonly StartResult[]> {
  try {
    return await startTogether(deps, tenantId, orders);
  } catch (error) {
    // A lost connection leaves open whether the runs were stored; trying again could only make that worse.
    if (orders.length === 1 || error instanceof AppError) return orders.map(() => ({ kind: "failed", error }));
    const alone = await Promise.all(orders.map((order) => startAll(deps, tenantId, [order])));
    return alone.flat();
  }
}

async function startTogether(deps: Deps, tenantId: string, orders: readonly StartOrder[]): Promise<readonly StartResult[]> {
  const { database, audit, held, claimant } = deps;
  const places = held.reserve(orders.length);
  try {
    const inserted = await database.asTenant(tenantId, async (tx) => {
      const runs = orders.map(({ run }) => run);
      const started = new Map((await insertRuns(tx, runs, { ...claimant, count: places })).map(({ id, at }) => [id, at]));
      await audit.record(tx, ...orders.filter(({ run }) => started.has(run.id)).map((order) => order.audit));
      return started;
    });
    const results = orders.map((order, i) => resultOf(inserted.get(order.run.id), i < places));
    held.unreserve(places);
    takeUp(deps, orders, results);
    return results;
  } catch (error) {
    held.unreserve(places);
    throw error;
  }
}

function resultOf(at: Date | undefined, isClaimed: boolean): StartResult {
  return at === undefined ? { kind: "key_taken" } : { kind: "started", at, isClaimed };
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

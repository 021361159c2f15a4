import { type Bulk } from "#contract/run-again.ts";
import { LIMITS } from "#contract/limits.ts";
import { FINAL_STATUSES, RUN_STATUSES, isFinal, type Run, type RunStatus } from "#contract/runs.ts";
import { AppError, toAppError } from "../kernel/errors.ts";
import type { Database } from "../kernel/ports.ts";
import { selectRuns, type RunFilter } from "./store/runs.pg.ts";

type Filter = Omit<RunFilter, "before" | "limit">;
export type Selection = { tenantId: string; ids?: readonly string[] | undefined; filter?: Filter | undefined };

/** Requests at once: each has a transaction of its own, and others want some too. */
const AT_ONCE = 8;

type Doing = { database: Database; /** Statuses that fit when none are named. */ fitting: readonly RunStatus[] };

/** Does the same to several runs, each for itself: what one of them refuses does not keep the others from it. */
async function each({ database, fitting }: Doing, { tenantId, ids, filter }: Selection, act: (id: string) => Promise<Run>): Promise<Bulk> {
  const chosen = ids
    ? { ids: [...new Set(ids)], isMore: false }
    : await choose(database, tenantId, { ...filter, status: filter?.status ?? fitting });
  const items: Bulk["items"] = [];
  for (let from = 0; from < chosen.ids.length; from += AT_ONCE) {
    items.push(...(await Promise.all(chosen.ids.slice(from, from + AT_ONCE).map((id) => attempt(id, act)))));
  }
  return { items, isMore: chosen.isMore };
}

async function choose(database: Database, tenantId: string, filter: Filter): Promise<{ ids: string[]; isMore: boolean }> {
  // No stored tag contains NUL, and PostgreSQL would refuse to look for it.
  if (filter.tag?.includes("\0")) return { ids: [], isMore: false };
  const runs = await database.asTenant(tenantId, (tx) => selectRuns(tx, { ...filter, limit: LIMITS.bulkRuns + 1 }));
  return { ids: runs.slice(0, LIMITS.bulkRuns).map(({ id }) => id), isMore: runs.length > LIMITS.bulkRuns };
}

async function attempt(id: string, act: (id: string) => Promise<Run>): Promise<Bulk["items"][number]> {
  try {
    const { id: runId, status } = await act(id);
    return { id, run: { id: runId, status } };
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, remedy } = toAppError(thrown);
    return { id, error: { code, message, remedy } };
  }
}

type Cancel = (request: {
  tenantId: string;
  actor: string;
  runId: string;
  reason?: string | undefined;
  force?: boolean | undefined;
}) => Promise<Run>;
type CancelRuns = Selection & { actor: string; reason?: string | undefined; force?: boolean | undefined };

export const cancelRuns =
  ({ database, cancel }: { database: Database; cancel: Cancel }) =>
  ({ tenantId, ids, filter, ...request }: CancelRuns): Promise<Bulk> => {
    const fitting = RUN_STATUSES.filter((status) => !isFinal(status));
    return each({ database, fitting }, { tenantId, ids, filter }, (runId) => cancel({ ...request, tenantId, runId }));
  };

type Retry = (request: { tenantId: string; initiator: string; runId: string; from?: "failed" | "start" | undefined }) => Promise<Run>;
type RetryRuns = Selection & { initiator: string; from?: "failed" | "start" | undefined };

export const retryRuns =
  ({ database, retry }: { database: Database; retry: Retry }) =>
  ({ tenantId, ids, filter, ...request }: RetryRuns): Promise<Bulk> => {
    const fitting = FINAL_STATUSES.filter((status) => status !== "succeeded");
    return each({ database, fitting }, { tenantId, ids, filter }, (runId) => retry({ ...request, tenantId, runId }));
  };

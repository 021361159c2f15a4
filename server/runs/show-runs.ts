import type { Page } from "#contract/common.ts";
import type { JournalEvent } from "#contract/journal.ts";
import type { Run, RunContext, RunSummary } from "#contract/runs.ts";
import { decodeCursor, toPage, UUID } from "../kernel/paging.ts";
import type { UseCaseDeps } from "./deps.ts";
import type { PlanSource } from "./ports.ts";
import { readContext, readRun, runNotFound } from "./read-run.ts";
import { readEvents } from "./store/journal.pg.ts";
import { findRun, findStatus, selectRuns, type RunFilter } from "./store/runs.pg.ts";

type Deps = Pick<UseCaseDeps, "database" | "codec">;

export const getRun =
  ({ database, codec }: Deps) =>
  async (tenantId: string, runId: string): Promise<Run> => {
    await codec.prepare(tenantId);
    return database.asTenant(tenantId, (tx) => readRun(tx, codec, runId));
  };

export const getContext =
  ({ database, codec, plans }: Deps & { plans: PlanSource }) =>
  async (tenantId: string, runId: string): Promise<RunContext> => {
    await codec.prepare(tenantId);
    return database.asTenant(tenantId, async (tx) => {
      const record = await findRun(tx, runId);
      if (!record) throw runNotFound(runId);
      return readContext(tx, codec, { record, plans });
    });
  };

type ListRequest = Omit<RunFilter, "before"> & { cursor?: string | undefined };

export const listRuns =
  ({ database }: Deps) =>
  async (tenantId: string, { cursor, limit, ...filter }: ListRequest): Promise<Page<RunSummary>> => {
    const [before] = decodeCursor(cursor, [UUID]) ?? [];
    // No stored tag contains NUL, and PostgreSQL would refuse to look for it.
    if (filter.tag?.includes("\0")) return { items: [], nextCursor: null };
    const runs = await database.asTenant(tenantId, (tx) => selectRuns(tx, { ...filter, before, limit: limit + 1 }));
    return toPage(runs, { limit, map: (run) => run, key: (run) => [run.id] });
  };

type JournalPage = { items: JournalEvent[]; nextAfter: number | null };

export const readJournal =
  ({ database, codec }: Deps) =>
  async (tenantId: string, { runId, after, limit }: { runId: string; after: number; limit: number }): Promise<JournalPage> => {
    await codec.prepare(tenantId);
    const events = await database.asTenant(tenantId, async (tx) => {
      if ((await findStatus(tx, runId)) === undefined) throw runNotFound(runId);
      return readEvents(tx, codec, { runId, after: Math.min(after, LAST_SEQ), limit: limit + 1 });
    });
    const items = events.slice(0, limit);
    return { items, nextAfter: events.length > limit ? (items.at(-1)?.seq ?? null) : null };
  };

/** The largest number that the column holds. */
export const LAST_SEQ = 2_147_483_647;

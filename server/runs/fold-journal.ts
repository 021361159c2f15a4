import type { JournalEvent } from "#contract/journal.ts";
import { evolve, initialState, type Plan, type RunState } from "#engine/index.ts";
import type { Tx, ValueCodec } from "../kernel/ports.ts";
import type { PlanSource } from "./ports.ts";
import { readEvents } from "./store/journal.pg.ts";

const PAGE_EVENTS = 1_000;

/** A run whose journal is to be folded. */
export type Journaled = { id: string; tenantId: string; workflowId: string };
/** `read` runs a query; the codec must be prepared for the tenant. */
export type FoldDeps = { codec: ValueCodec; plans: PlanSource; read: <T>(fn: (tx: Tx) => Promise<T>) => Promise<T> };

/** A run's state after its whole journal. Scopes that are over are not kept in memory. */
export async function foldJournal(deps: FoldDeps, run: Journaled): Promise<RunState> {
  const events = await pageAfter(deps, run, 0);
  const [created] = events;
  if (created?.kind !== "run_created") throw new Error(`The journal of run ${run.id} does not begin with its creation.`);
  const state = initialState(await planOf(deps, run, created.body.version), { runId: run.id, forgets: true });
  await foldPages(deps, run, { state, events });
  return state;
}

/** Folds what the journal has after the state. */
export async function foldRest(deps: FoldDeps, run: Journaled, state: RunState): Promise<void> {
  await foldPages(deps, run, { state, events: await pageAfter(deps, run, state.seq) });
}

export const planOf = ({ plans }: Pick<FoldDeps, "plans">, { tenantId, workflowId }: Journaled, version: number): Promise<Plan> =>
  plans.loadPlan({ tenantId, workflowId, version });

const pageAfter = ({ codec, read }: FoldDeps, { id: runId }: Journaled, after: number): Promise<JournalEvent[]> =>
  read((tx) => readEvents(tx, codec, { runId, after, limit: PAGE_EVENTS }));

/** The plans of versions that the run was moved to are loaded as they come. */
async function foldPages(deps: FoldDeps, run: Journaled, { state, events }: { state: RunState; events: JournalEvent[] }): Promise<void> {
  for (let page = events; ; page = await pageAfter(deps, run, state.seq)) {
    for (const event of page) {
      if (event.kind === "version_moved") state.plans.set(event.body.to, await planOf(deps, run, event.body.to));
      evolve(state, event);
    }
    if (page.length < PAGE_EVENTS) return;
  }
}

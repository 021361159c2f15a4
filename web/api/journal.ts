import { queryOptions, type QueryClient } from "@tanstack/react-query";
import type { Definition } from "#contract/definition.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { compile, evolve, initialState, type Plan } from "#engine/index.ts";
import type { RunState } from "#engine/types.ts";
import { ApiError } from "#sdk/client.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { workflowVersionQuery } from "./workflows.ts";

/**
 * A run as the page sees it: its journal so far and the fold of it, by the same code as on the server. `definition` and
 * `state` are missing when the workflow cannot be read any more, and `foldError` says why when the journal does not fit it;
 * what the events say by themselves is shown all the same. `state` is changed in place by the next reading: every reading makes a new `RunView` around it.
 */
export type RunView = {
  events: readonly JournalEvent[];
  /** Of the version that the run follows now. */
  definition?: Definition;
  state?: RunState;
  foldError?: string;
};

const PAGE_EVENTS = 1_000;

/**
 * Reads only what is new: the journal after the last event at hand. Live and afterwards it is the same reading, so a page
 * that was open all the time and one that is opened later show the same.
 */
export const journalQuery = (runId: string) =>
  queryOptions({
    queryKey: keys.runs.journal(runId),
    queryFn: async ({ client, signal }): Promise<RunView> => {
      const have = client.getQueryData<RunView>(keys.runs.journal(runId));
      const tail = await readTail({ runId, after: have?.events.at(-1)?.seq ?? 0, signal });
      const events = have ? [...have.events, ...tail] : tail;
      const view = have?.state ? have : { ...have, ...(await begin(client, events, runId)) };
      return advance(client, { ...view, events });
    },
    // The fold may hold many thousand steps; comparing them deeply would cost more than showing them.
    structuralSharing: false,
  });

type Tail = { runId: string; after: number; signal: AbortSignal };
async function readTail({ runId, after, signal }: Tail): Promise<JournalEvent[]> {
  const events: JournalEvent[] = [];
  for (let next: number | null = after; next !== null;) {
    const page = await api.getRunJournal({ params: { id: runId }, query: { after: next, limit: PAGE_EVENTS }, signal });
    events.push(...page.items);
    next = page.nextAfter;
  }
  return events;
}

type Begun = Pick<RunView, "definition" | "state">;
async function begin(client: QueryClient, events: readonly JournalEvent[], runId: string): Promise<Begun> {
  const [created] = events;
  const plan = created?.kind === "run_created" ? await readPlan(client, created.body) : undefined;
  return plan ? { definition: plan.definition, state: initialState(plan, { runId }) } : {};
}

/** Undefined when the version cannot be read any more. */
async function readPlan(client: QueryClient, { workflowId, version }: { workflowId: string; version: number }): Promise<Plan | undefined> {
  try {
    return compile((await client.fetchQuery(workflowVersionQuery(workflowId, version))).definition);
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return undefined;
    throw error;
  }
}

const workflowIdOf = ([created]: readonly JournalEvent[]): string => (created?.kind === "run_created" ? created.body.workflowId : "");

/** Applies the events that the state has not seen. */
async function advance(client: QueryClient, view: RunView): Promise<RunView> {
  const { state, events } = view;
  if (!state) return view;
  for (const event of events.slice(state.seq)) {
    if (event.kind !== "version_moved") continue;
    const plan = await readPlan(client, { workflowId: workflowIdOf(events), version: event.body.to });
    if (!plan) return { events };
    state.plans.set(event.body.to, plan);
  }
  try {
    for (const event of events.slice(state.seq)) evolve(state, event);
    return { ...view, definition: state.plan.definition };
  } catch (error) {
    return { events, foldError: error instanceof Error ? error.message : String(error) };
  }
}

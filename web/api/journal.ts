import { queryOptions, type QueryClient } from "@tanstack/react-query";
import type { Definition } from "#contract/definition.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { compile, evolve, initialState } from "#engine/index.ts";
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
export type RunView = { events: readonly JournalEvent[]; definition?: Definition; state?: RunState; foldError?: string };

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
      const view = have?.state ? have : { ...have, ...(await readDefinition(client, events, runId)) };
      return advance({ ...view, events });
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

async function readDefinition(
  client: QueryClient,
  events: readonly JournalEvent[],
  runId: string,
): Promise<Pick<RunView, "definition" | "state">> {
  const [created] = events;
  if (created?.kind !== "run_created") return {};
  try {
    const { definition } = await client.fetchQuery(workflowVersionQuery(created.body.workflowId, created.body.version));
    return { definition, state: initialState(compile(definition), { runId }) };
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return {};
    throw error;
  }
}

/** Applies the events that the state has not seen. */
function advance(view: RunView): RunView {
  const { state, events } = view;
  if (!state) return view;
  try {
    for (const event of events.slice(state.seq)) evolve(state, event);
    return view;
  } catch (error) {
    return { events, foldError: error instanceof Error ? error.message : String(error) };
  }
}

import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";
import type { Page } from "#contract/common.ts";
import { isFinal, type Run, type RunSummary } from "#contract/runs.ts";
import type { LiveEvent } from "#contract/system.ts";
import { FIXED, keys } from "../keys.ts";

type RunHint = Extract<LiveEvent, { type: "run" }>;
type RunPages = InfiniteData<Page<RunSummary>, string | undefined>;

/** How long lists may lag behind; a list of many pages is read again less often. */
const LIST_DELAY_MS = 800;
const MESSAGES_DELAY_MS = 1_200;

/** What a batch of hints means for what has been read. `later` invalidates after a delay, once for all calls meanwhile. */
export type Later = (key: QueryKey, delayMs: number) => void;

export function applyHints(client: QueryClient, hints: readonly LiveEvent[], later: Later): void {
  if (hints.some((hint) => hint.type === "resync")) {
    refreshAll(client);
    return;
  }
  for (const hint of newestPerRun(hints)) applyRunHint(client, hint, later);
  const kinds = new Set(hints.map((hint) => hint.type));
  if (kinds.has("mcp_server") || kinds.has("mcp_tools")) void client.invalidateQueries({ queryKey: keys.mcp.all });
  if (kinds.has("agent")) void client.invalidateQueries({ queryKey: keys.agents.all });
  if (kinds.has("workflow")) void client.invalidateQueries({ queryKey: keys.workflows.all });
}

/** Reads again everything that is shown and can have changed. */
export function refreshAll(client: QueryClient): void {
  void client.invalidateQueries({ predicate: ({ queryKey }) => !FIXED.has(queryKey[0]) });
}

function newestPerRun(hints: readonly LiveEvent[]): RunHint[] {
  const newest = new Map<string, RunHint>();
  for (const hint of hints) {
    if (hint.type !== "run") continue;
    const known = newest.get(hint.runId);
    if (known === undefined || known.seq <= hint.seq) newest.set(hint.runId, hint);
  }
  return [...newest.values()];
}

function applyRunHint(client: QueryClient, hint: RunHint, later: Later): void {
  void client.invalidateQueries({ queryKey: keys.runs.journal(hint.runId) });
  later(keys.messages.run(hint.runId), MESSAGES_DELAY_MS);
  later(keys.approvals.all, LIST_DELAY_MS);
  const detail = client.getQueryData<Run>(keys.runs.detail(hint.runId));
  if (detail === undefined || detail.status !== hint.status || isFinal(hint.status)) {
    void client.invalidateQueries({ queryKey: keys.runs.detail(hint.runId) });
  }
  patchLists(client, hint);
  const pages = Math.max(1, ...client.getQueriesData<RunPages>({ queryKey: keys.runs.lists }).map(([, data]) => data?.pages?.length ?? 1));
  later(keys.runs.lists, LIST_DELAY_MS * pages);
}

/** A known run shows its new status at once; the list is read again a little later. */
function patchLists(client: QueryClient, hint: RunHint): void {
  client.setQueriesData<RunPages>(
    { queryKey: keys.runs.lists, predicate: ({ state }) => isPages(state.data) },
    (data) => data && patchPages(data, hint),
  );
}

const isPages = (data: unknown): boolean => typeof data === "object" && data !== null && "pages" in data;

export function patchPages(data: RunPages, hint: RunHint): RunPages {
  const outdated = (run: RunSummary): boolean => run.id === hint.runId && run.seq < hint.seq;
  if (!data.pages.some((page) => page.items.some(outdated))) return data;
  return {
    ...data,
    pages: data.pages.map((page) => ({
      ...page,
      items: page.items.map((run) => (outdated(run) ? { ...run, status: hint.status, seq: hint.seq } : run)),
    })),
  };
}

/** Collects what comes within `delayMs` and hands it over together; a hundred events a second become a few reads. */
export function batching<T>(deliver: (batch: readonly T[]) => void, delayMs: number): { add: (item: T) => void; stop: () => void } {
  let waiting: T[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    timer = undefined;
    const batch = waiting;
    waiting = [];
    deliver(batch);
  };
  return {
    add(item) {
      waiting.push(item);
      timer ??= setTimeout(flush, delayMs);
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

export function invalidateLater(client: QueryClient): { later: Later; stop: () => void } {
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  return {
    later(queryKey, delayMs) {
      const name = JSON.stringify(queryKey);
      if (timers.has(name)) return;
      const run = (): void => {
        timers.delete(name);
        void client.invalidateQueries({ queryKey });
      };
      timers.set(name, setTimeout(run, delayMs));
    },
    stop() {
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}

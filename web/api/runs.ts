import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { RunMode, RunStatus } from "#contract/runs.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { byCursor, cursor } from "./paging.ts";

/** What a list of runs is narrowed to; days are local, `YYYY-MM-DD`, both included. */
export type RunFilter = {
  status?: readonly RunStatus[];
  workflowId?: string;
  tag?: string;
  mode?: RunMode;
  /** Only runs that are dead. */
  dead?: true;
  from?: string;
  to?: string;
};

export const runListQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: keys.runs.list(filter),
    queryFn: ({ pageParam, signal }) => api.listRuns({ signal, query: { ...toQuery(filter), limit: 50, ...cursor(pageParam) } }),
    ...byCursor,
    placeholderData: keepPreviousData,
  });

/** The filter as the server takes it. A day ends at the last millisecond before the next. */
export function toQuery({ status = [], workflowId, tag, mode, dead, from, to }: RunFilter): {
  status?: string;
  workflowId?: string;
  tag?: string;
  mode?: RunMode;
  dead?: "true";
  from?: string;
  to?: string;
} {
  return {
    ...(status.length > 0 ? { status: status.join(",") } : {}),
    ...(workflowId === undefined ? {} : { workflowId }),
    ...(tag === undefined ? {} : { tag }),
    ...(mode === undefined ? {} : { mode }),
    ...(dead === undefined ? {} : { dead: "true" }),
    ...(from === undefined ? {} : { from: new Date(`${from}T00:00:00`).toISOString() }),
    ...(to === undefined ? {} : { to: new Date(`${to}T23:59:59.999`).toISOString() }),
  };
}

/** The newest runs of one workflow. */
export const latestRunsQuery = (workflowId: string, limit: number) =>
  queryOptions({
    queryKey: [...keys.runs.latest(workflowId), limit],
    queryFn: ({ signal }) => api.listRuns({ signal, query: { workflowId, limit } }),
    select: (page) => page.items,
  });

/** The newest runs of all workflows, for the palette and the "last run" column. */
export const recentRunsQuery = (limit: number) =>
  queryOptions({
    queryKey: [...keys.runs.lists, "recent", limit],
    queryFn: ({ signal }) => api.listRuns({ signal, query: { limit } }),
    select: (page) => page.items,
  });

export const runQuery = (id: string) =>
  queryOptions({ queryKey: keys.runs.detail(id), queryFn: ({ signal }) => api.getRun({ signal, params: { id } }) });

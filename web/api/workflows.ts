import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { LIMITS } from "#contract/limits.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { byCursor, cursor } from "./paging.ts";

export const workflowListQuery = (name: string) =>
  infiniteQueryOptions({
    queryKey: keys.workflows.list(name),
    queryFn: ({ pageParam, signal }) =>
      api.listWorkflows({ signal, query: { limit: 50, ...(name === "" ? {} : { name }), ...cursor(pageParam) } }),
    ...byCursor,
    placeholderData: keepPreviousData,
  });

export const workflowQuery = (id: string) =>
  queryOptions({ queryKey: keys.workflows.detail(id), queryFn: ({ signal }) => api.getWorkflow({ signal, params: { id } }) });

export const workflowVersionsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: keys.workflows.versions(id),
    queryFn: ({ pageParam, signal }) => api.listWorkflowVersions({ signal, params: { id }, query: { limit: 50, ...cursor(pageParam) } }),
    ...byCursor,
  });

export const workflowVersionQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: keys.version(id, version),
    queryFn: ({ signal }) => api.getWorkflowVersion({ signal, params: { id, version } }),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** For pickers and the palette: the first page without a filter, as far as one page goes. */
export const workflowNamesQuery = queryOptions({
  queryKey: [...keys.workflows.all, "names"],
  queryFn: ({ signal }) => api.listWorkflows({ signal, query: { limit: LIMITS.pageItems } }),
  select: (page) => page.items,
});

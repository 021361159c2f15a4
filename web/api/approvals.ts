import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { ApprovalStatus } from "#contract/approvals.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { byCursor, cursor } from "./paging.ts";

export const approvalListQuery = (status: ApprovalStatus) =>
  infiniteQueryOptions({
    queryKey: keys.approvals.list(status),
    queryFn: ({ pageParam, signal }) => api.listApprovals({ signal, query: { status, limit: 50, ...cursor(pageParam) } }),
    ...byCursor,
    placeholderData: keepPreviousData,
  });

/** What a run waits for people to decide. */
export const runApprovalsQuery = (runId: string) =>
  queryOptions({
    queryKey: keys.approvals.run(runId),
    queryFn: ({ signal }) => api.listApprovals({ signal, query: { runId, status: "pending", limit: 50 } }),
    select: (page) => page.items,
  });

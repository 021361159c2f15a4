import { infiniteQueryOptions } from "@tanstack/react-query";
import { LIMITS } from "#contract/limits.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { byCursor, cursor } from "./paging.ts";

/** Every message of a run, oldest first. */
export const runMessagesQuery = (runId: string) =>
  infiniteQueryOptions({
    queryKey: keys.messages.run(runId),
    queryFn: ({ pageParam, signal }) => api.listMessages({ signal, query: { runId, limit: LIMITS.pageItems, ...cursor(pageParam) } }),
    ...byCursor,
  });

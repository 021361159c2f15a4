import { queryOptions } from "@tanstack/react-query";
import type { Agent } from "#contract/agents.ts";
import { LIMITS } from "#contract/limits.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { readAll } from "./paging.ts";

export const agentsQuery = queryOptions({
  queryKey: keys.agents.list,
  queryFn: () => readAll<Agent>((cursor) => api.listAgents({ query: { limit: LIMITS.pageItems, ...cursor } })),
});

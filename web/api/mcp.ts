import { queryOptions } from "@tanstack/react-query";
import type { McpServer } from "#contract/mcp/servers.ts";
import { LIMITS } from "#contract/limits.ts";
import { api } from "./client.ts";
import { keys } from "./keys.ts";
import { readAll } from "./paging.ts";

export const mcpServersQuery = queryOptions({
  queryKey: keys.mcp.list,
  queryFn: () => readAll<McpServer>((cursor) => api.listMcpServers({ query: { limit: LIMITS.pageItems, ...cursor } })),
});

export const serverToolsQuery = (id: string) =>
  queryOptions({
    queryKey: keys.mcp.tools(id),
    queryFn: ({ signal }) => api.listServerTools({ signal, params: { id } }),
    select: (answer) => answer.items,
  });

export const serverLogsQuery = (id: string) =>
  queryOptions({
    queryKey: keys.mcp.logs(id),
    queryFn: ({ signal }) => api.listServerLogs({ signal, params: { id }, query: { limit: LIMITS.pageItems } }),
    select: (page) => page.items,
    // Lines come without a hint.
    refetchInterval: 3_000,
  });

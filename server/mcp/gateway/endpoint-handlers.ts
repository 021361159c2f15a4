import { createMcpHandler, type McpHttpHandler, type McpRequestContext } from "@modelcontextprotocol/server";
import { LRUCache } from "lru-cache";
import { LIMITS } from "#contract/limits.ts";
import type { Log } from "#server/kernel/log.ts";
import type { ListName } from "../connection/connection.ts";
import { recordFrames } from "./exposed-server.ts";
import type { Served } from "./protocol-server.ts";

type Handling = { http: McpHttpHandler; onUpdated: (uri: string) => void };

/** Whose endpoint was not used for longest makes room; who listens there opens a stream again. */
const MOST_ENDPOINTS = 1_000;

/** The SDK's own handlers, one for each endpoint: they check what a request of the 2026 era must bring, and keep the streams that are opened for changes. */
export type EndpointHandlers = {
  of(key: string): Handling;
  /** Tells the streams that listen at this endpoint. */
  changed(key: string, list: ListName): void;
  close(): Promise<void>;
};

/** `find`: who serves a request. */
export function createEndpointHandlers(find: (web: Request) => Served | undefined, log: Log): EndpointHandlers {
  const handlers = new LRUCache<string, Handling>({ max: MOST_ENDPOINTS, dispose: ({ http }) => void http.close() });
  const serve = ({ requestInfo }: McpRequestContext) => {
    const found = requestInfo && find(requestInfo);
    if (found === undefined) throw new TypeError("A request of nobody.");
    recordFrames(found);
    return found.mcp;
  };
  const onerror = (error: Error): void => log.debug("an MCP client was refused", { error });
  const newHandling = (): Handling => {
    const http = createMcpHandler(serve, { legacy: "reject", maxSubscriptions: LIMITS.mcpSessionsPerCaller * 10, onerror });
    return { http, onUpdated: tellOnce((uri) => http.notify.resourceUpdated(uri)) };
  };
  return {
    of(key) {
      const handling = handlers.get(key) ?? newHandling();
      handlers.set(key, handling);
      return handling;
    },
    changed(key, list) {
      const notify = handlers.get(key)?.http.notify;
      if (list === "tools") notify?.toolsChanged();
      if (list === "resources") notify?.resourcesChanged();
      if (list === "prompts") notify?.promptsChanged();
    },
    async close() {
      await Promise.all([...handlers.values()].map(({ http }) => http.close()));
    },
  };
}

/** All streams that wait for a resource hear of its update at the same time, and whichever does tells all. */
function tellOnce(tell: (uri: string) => void): (uri: string) => void {
  const told = new Set<string>();
  return (uri) => {
    if (told.has(uri)) return;
    told.add(uri);
    queueMicrotask(() => {
      told.delete(uri);
      tell(uri);
    });
  };
}

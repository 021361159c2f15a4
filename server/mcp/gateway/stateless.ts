import { createMcpHandler, type McpHttpHandler } from "@modelcontextprotocol/server";
import { LIMITS } from "#contract/limits.ts";
import type { Log } from "#server/kernel/log.ts";
import type { ServeClient } from "./clients.ts";
import type { Answer } from "./exchange.ts";
import type { GatewayRequest } from "./gateway-request.ts";
import type { Endpoint } from "./identity.ts";
import { sendResponse, webRequest } from "./web-request.ts";

type Deps = { serveClient: ServeClient; newId: () => string; log: Log };
type Served = { endpoint: Endpoint; request: GatewayRequest };

/** The 2026 era: every request stands alone and brings all that is to be known of its client. */
export type Stateless = {
  serve(endpoint: Endpoint, request: GatewayRequest, answer: Answer): Promise<void>;
  /** Ends what may not go on. */
  look(): Promise<void>;
  /** Tells the streams that listen at this endpoint. */
  changed(key: string, list: "tools" | "resources" | "prompts"): void;
  /** Endpoints at which somebody may be listening. */
  keys(): Iterable<string>;
  close(): Promise<void>;
};

export function createStateless({ serveClient, newId, log }: Deps): Stateless {
  const handlers = new Map<string, McpHttpHandler>();
  const served = new WeakMap<Request, Served>();
  const open = new Map<AbortController, GatewayRequest>();
  const handlerOf = (key: string): McpHttpHandler => {
    const known = handlers.get(key);
    if (known !== undefined) return known;
    const made = createMcpHandler(
      ({ requestInfo }) => {
        const found = requestInfo && served.get(requestInfo);
        if (found === undefined) throw new TypeError("A request of nobody.");
        return serveClient(found.endpoint, found.request.caller, newId());
      },
      {
        legacy: "reject",
        maxSubscriptions: LIMITS.mcpSessionsPerCaller * 10,
        onerror: (error) => log.debug("an MCP client was refused", { error }),
      },
    );
    handlers.set(key, made);
    return made;
  };
  return {
    async serve(endpoint, request, answer) {
      const gone = new AbortController();
      answer.raw.once("close", () => gone.abort());
      const web = webRequest({ method: request.method, headers: request.headers, signal: gone.signal });
      served.set(web, { endpoint, request });
      open.set(gone, request);
      try {
        await sendResponse(answer, await handlerOf(endpoint.key).fetch(web, { parsedBody: request.body }));
      } finally {
        open.delete(gone);
      }
    },
    async look() {
      const check = async ([gone, { mayGoOn }]: [AbortController, GatewayRequest]): Promise<void> => {
        if (!(await mayGoOn().catch(() => true))) gone.abort();
      };
      await Promise.all([...open].map(check));
    },
    changed(key, list) {
      const notify = handlers.get(key)?.notify;
      if (list === "tools") notify?.toolsChanged();
      if (list === "resources") notify?.resourcesChanged();
      if (list === "prompts") notify?.promptsChanged();
    },
    keys: () => handlers.keys(),
    async close() {
      for (const gone of open.keys()) gone.abort();
      await Promise.all([...handlers.values()].map((handler) => handler.close()));
    },
  };
}

import { createMcpHandler, type McpHttpHandler, type McpRequestContext } from "@modelcontextprotocol/server";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { ListName } from "../connection/connection.ts";
import { isRecord } from "../connection/json-value.ts";
import type { ServeClient } from "./clients.ts";
import type { McpAnswer, McpRequest } from "#server/kernel/mcp-endpoint.ts";
import { recordFrames } from "./exposed-server.ts";
import type { Endpoint } from "./identity.ts";
import { readMessage } from "./messages.ts";
import { refuse } from "./stateful.ts";
import { createSubscriptions, type Subscriptions } from "./subscriptions.ts";
import { sendResponse, webRequest } from "./web-request.ts";

type Deps = { serveClient: ServeClient; log: Log };
type Open = { request: McpRequest; subscriptions: Subscriptions };
type Served = { endpoint: Endpoint; request: McpRequest };

/** How long a stream may wait until it is known whether its resources may be asked for. */
const FIND_MS = 5_000;

/** The 2026 era: every request stands alone and brings all that is to be known of its client. */
export type Stateless = {
  serve(endpoint: Endpoint, request: McpRequest, answer: McpAnswer): Promise<void>;
  /** Ends what may not go on. */
  look(): Promise<void>;
  /** Tells the streams that listen at this endpoint. */
  changed(key: string, list: ListName): void;
  isEmpty(): boolean;
  close(): Promise<void>;
};

export function createStateless({ serveClient, log }: Deps): Stateless {
  const handlers = new Map<string, McpHttpHandler>();
  const served = new WeakMap<Request, Served>();
  const open = new Map<AbortController, Open>();
  const handlerOf = (key: string): McpHttpHandler => {
    const handler = handlers.get(key) ?? newHandler((web) => served.get(web), { serveClient, log });
    handlers.set(key, handler);
    return handler;
  };
  return {
    async serve(endpoint, request, answer) {
      const wanted = wantedResources(request.body);
      if (wanted.length > LIMITS.mcpSubscriptions) return refuse(answer, 400, { why: TOO_MANY, id: idOf(request.body) });
      if (wanted.length > 0) await request.need("tool:call");
      const unfit = await refusalOf(endpoint, wanted);
      if (unfit !== undefined) return refuse(answer, 400, { why: unfit.message, id: idOf(request.body) });
      const gone = new AbortController();
      answer.raw.once("close", () => gone.abort());
      const web = webRequest({ method: request.method, headers: request.headers, signal: gone.signal });
      served.set(web, { endpoint, request });
      const { notify } = handlerOf(endpoint.key);
      const subscriptions = createSubscriptions(endpoint, (uri) => notify.resourceUpdated(uri));
      open.set(gone, { request, subscriptions });
      for (const uri of wanted) {
        subscriptions.add(uri).catch((error: unknown) => log.debug("a resource could not be subscribed to", { error }));
      }
      try {
        await sendResponse(answer, await handlerOf(endpoint.key).fetch(web, { parsedBody: request.body }));
      } finally {
        open.delete(gone);
        await subscriptions.close();
      }
    },
    async look() {
      const check = async ([gone, { request, subscriptions }]: [AbortController, Open]): Promise<void> => {
        if (!(await request.mayGoOn().catch(() => true))) gone.abort();
        else await subscriptions.look();
      };
      await Promise.all([...open].map(check));
    },
    changed(key, list) {
      const notify = handlers.get(key)?.notify;
      if (list === "tools") notify?.toolsChanged();
      if (list === "resources") notify?.resourcesChanged();
      if (list === "prompts") notify?.promptsChanged();
    },
    isEmpty: () => open.size === 0,
    async close() {
      for (const gone of open.keys()) gone.abort();
      await Promise.all([...handlers.values()].map((handler) => handler.close()));
    },
  };
}

/** The SDK's own: it checks what a request of this era must bring, and keeps the streams that are opened for changes. */
function newHandler(find: (web: Request) => Served | undefined, { serveClient, log }: Deps): McpHttpHandler {
  const serve = ({ requestInfo }: McpRequestContext) => {
    const found = requestInfo && find(requestInfo);
    if (found === undefined) throw new TypeError("A request of nobody.");
    const { mcp, frames } = serveClient(found.endpoint, found.request.caller, undefined);
    recordFrames(mcp, frames);
    return mcp;
  };
  const onerror = (error: Error): void => log.debug("an MCP client was refused", { error });
  return createMcpHandler(serve, { legacy: "reject", maxSubscriptions: LIMITS.mcpSessionsPerCaller * 10, onerror });
}

const TOO_MANY = `expected at most ${LIMITS.mcpSubscriptions} resources to be told about`;
const idOf = (body: unknown): string | number | null => {
  const incoming = readMessage(body);
  return incoming.kind === "request" ? incoming.message.id : null;
};

/** Why no server is asked for one of them. That it is not there, or cannot be asked now, is no reason: it may come. */
async function refusalOf({ find }: Endpoint, wanted: readonly string[]): Promise<AppError | undefined> {
  const signal = AbortSignal.timeout(FIND_MS);
  const found = await Promise.allSettled(wanted.map((uri) => find.resource(uri, signal)));
  const reasons = found.map((one): unknown => (one.status === "rejected" ? one.reason : undefined));
  return reasons.filter((reason) => reason instanceof AppError).find(({ code }) => code === "mcp_uri_refused");
}

/** The resources that a request opens a stream for. */
function wantedResources(body: unknown): string[] {
  if (!isRecord(body) || body["method"] !== "subscriptions/listen" || !isRecord(body["params"])) return [];
  const { notifications } = body["params"];
  const wanted = isRecord(notifications) ? notifications["resourceSubscriptions"] : undefined;
  return Array.isArray(wanted) ? [...new Set(wanted.filter((uri) => typeof uri === "string"))] : [];
}

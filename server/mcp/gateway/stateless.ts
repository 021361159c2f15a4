import { parseJSONRPCMessage } from "@modelcontextprotocol/server";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { ListName } from "../connection/connection.ts";
import { isRecord } from "../connection/json-value.ts";
import type { ServeClient } from "./clients.ts";
import type { McpAnswer, McpRequest } from "#server/kernel/mcp-endpoint.ts";
import { createEndpointHandlers } from "./endpoint-handlers.ts";
import type { Endpoint } from "./identity.ts";
import type { Served } from "./protocol-server.ts";
import { readMessage } from "./messages.ts";
import { refuse, stopping } from "./stateful.ts";
import { createSubscriptions, type Subscriptions } from "./subscriptions.ts";
import { sendResponse, webRequest } from "./web-request.ts";

type Deps = { serveClient: ServeClient; log: Log };
type Open = { request: McpRequest; subscriptions: Subscriptions; isStream: boolean };

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
  const clients = new WeakMap<Request, Served>();
  const handlers = createEndpointHandlers((web) => clients.get(web), log);
  const open = new Map<AbortController, Open>();
  let isClosed = false;
  return {
    async serve(endpoint, request, answer) {
      const wanted = wantedResources(request.body);
      const why = await refusalOf(endpoint, request, wanted);
      if (why !== undefined) return refuse(answer, 400, { why, id: idOf(request.body) });
      // Whoever has gone already cannot be heard to go.
      if (answer.raw.destroyed) return;
      if (isClosed) throw stopping();
      const isStream = methodOf(request.body) === LISTEN;
      if (isStream) checkStreams(open.values(), request.caller.principalId);
      const gone = new AbortController();
      answer.raw.once("close", () => gone.abort());
      const web = webRequest({ method: request.method, headers: request.headers, signal: gone.signal });
      const client = serveClient(endpoint, request.caller, undefined);
      clients.set(web, client);
      const { http, onUpdated } = handlers.of(endpoint.key);
      const subscriptions = createSubscriptions(endpoint, onUpdated);
      open.set(gone, { request, subscriptions, isStream });
      for (const uri of wanted) {
        subscriptions.add(uri).catch((error: unknown) => log.debug("a resource could not be subscribed to", { error }));
      }
      try {
        const response = await http.fetch(web, { parsedBody: request.body });
        await sendResponse(answer, response, isStream ? recordStream(client, request.body) : undefined);
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
    changed: (key, list) => handlers.changed(key, list),
    isEmpty: () => open.size === 0,
    async close() {
      isClosed = true;
      for (const gone of open.keys()) gone.abort();
      await handlers.close();
    },
  };
}

/** Throws `rate_limited`. */
function checkStreams(open: Iterable<Open>, principalId: string): void {
  const own = [...open].filter(({ isStream, request }) => isStream && request.caller.principalId === principalId);
  if (own.length < LIMITS.mcpSessionsPerCaller) return;
  throw new AppError("rate_limited", `At most ${LIMITS.mcpSessionsPerCaller} streams of one caller may be open at once.`);
}

const EVENT = /^event: message\ndata: (?<json>.*)\n\n$/;

/** Such a stream is the SDK's own and crosses no transport; each piece of it is one event, or the answer when it is refused. */
function recordStream({ frames }: Served, body: unknown): (piece: string) => void {
  const asked = readMessage(body);
  if (asked.kind === "request") frames.received(asked.message, JSON.stringify(body));
  return (piece) => {
    const text = EVENT.exec(piece)?.groups?.["json"] ?? piece;
    if (text.startsWith("{")) frames.sent(parseJSONRPCMessage(JSON.parse(text)), text);
  };
}

const TOO_MANY = `expected at most ${LIMITS.mcpSubscriptions} resources to be told about`;
const idOf = (body: unknown): string | number | null => {
  const incoming = readMessage(body);
  return incoming.kind === "request" ? incoming.message.id : null;
};

/** Why no server is asked for one of them. That it is not there, or cannot be asked now, is no reason: it may come. */
async function refusalOf({ find }: Endpoint, { need }: McpRequest, wanted: readonly string[]): Promise<string | undefined> {
  if (wanted.length > LIMITS.mcpSubscriptions) return TOO_MANY;
  if (wanted.length > 0) await need("tool:call");
  const signal = AbortSignal.timeout(FIND_MS);
  const found = await Promise.allSettled(wanted.map((uri) => find.resource(uri, signal)));
  const reasons = found.map((one): unknown => (one.status === "rejected" ? one.reason : undefined));
  return reasons.filter((reason) => reason instanceof AppError).find(({ code }) => code === "mcp_uri_refused")?.message;
}

const LISTEN = "subscriptions/listen";
const methodOf = (body: unknown): unknown => (isRecord(body) ? body["method"] : undefined);

/** The resources that a request opens a stream for. */
function wantedResources(body: unknown): string[] {
  if (!isRecord(body) || methodOf(body) !== LISTEN || !isRecord(body["params"])) return [];
  const { notifications } = body["params"];
  const wanted = isRecord(notifications) ? notifications["resourceSubscriptions"] : undefined;
  return Array.isArray(wanted) ? [...new Set(wanted.filter((uri) => typeof uri === "string"))] : [];
}

import { LRUCache } from "lru-cache";
import { Environment } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import { background, type Log } from "#server/kernel/log.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { createChanges } from "./changes.ts";
import { createServeClient, type ClientDeps } from "./clients.ts";
import { isStateless } from "./era.ts";
import type { McpAnswer, McpEndpoint, McpRequest } from "#server/kernel/mcp-endpoint.ts";
import { endpointOfAll, endpointOfOne, keysOf, type Endpoint } from "./identity.ts";
import { readMessage } from "./messages.ts";
import { createStateful, refuse } from "./stateful.ts";
import { createStateless } from "./stateless.ts";

export type GatewayDeps = ClientDeps & {
  supervisor: Supervisor;
  version: string;
  log: Log;
  timings: { gatewayLookMs: number; gatewayBeatMs: number; sessionIdleMs: number };
};

/** What reaches a server, beyond being told what there is. */
const CALLS: ReadonlySet<string> = new Set(["tools/call", "resources/read", "resources/subscribe", "prompts/get", "completion/complete"]);

const ENDPOINTS = 1_000;

/** From here on a client hears of changes. */
const BEGINNINGS: ReadonlySet<string> = new Set(["initialize", "subscriptions/listen"]);

/** The platform as an MCP server: all servers as one at `/mcp`, each as it is at `/mcp/servers/<name>`. */
export function createGateway(deps: GatewayDeps): McpEndpoint {
  const { log, timings, newId } = deps;
  const serveClient = createServeClient(deps);
  const stateful = createStateful({ serveClient, newId, idleMs: timings.sessionIdleMs });
  const stateless = createStateless({ serveClient, log });
  const changes = createChanges(({ record }, list) => {
    for (const key of keysOf(record)) {
      stateful.changed(key, list);
      stateless.changed(key, list);
    }
  });
  const follow = ({ exposure }: Endpoint): void => {
    for (const server of exposure.servers()) changes.follow(server);
  };
  const lookAtAll = (): Promise<unknown> => {
    if (!stateful.isEmpty() || !stateless.isEmpty()) changes.look(deps.supervisor.held());
    return Promise.all([stateful.look(), stateless.look()]);
  };
  const look = setInterval(() => background(log, "a look at MCP sessions", lookAtAll), timings.gatewayLookMs).unref();
  const beat = setInterval(() => stateful.beat(), timings.gatewayBeatMs).unref();

  const endpointOf = endpoints(deps);
  const post = async (endpoint: Endpoint, request: McpRequest, answer: McpAnswer): Promise<void> => {
    const incoming = readMessage(request.body);
    if (incoming.kind === "invalid") return refuse(answer, 400, incoming);
    if (incoming.kind === "request" && CALLS.has(incoming.message.method)) await request.need("tool:call");
    if (incoming.kind === "request" && BEGINNINGS.has(incoming.message.method)) follow(endpoint);
    return isStateless(request) ? stateless.serve(endpoint, request, answer) : stateful.post(endpoint, request, { incoming, answer });
  };
  return {
    async serve(request, answer) {
      const endpoint = await endpointOf(request);
      if (request.method === "POST") return post(endpoint, request, answer);
      if (isStateless(request)) return stateless.serve(endpoint, request, answer);
      if (request.method === "GET") return stateful.listen(endpoint, request, answer);
      return stateful.end(endpoint, request, answer);
    },
    async close() {
      clearInterval(look);
      clearInterval(beat);
      changes.close();
      await Promise.all([stateless.close(), stateful.close()]);
    },
  };
}

/** The endpoints of all servers of a place; the last ones are kept, as each of their calls asks for its own. */
function endpoints(deps: GatewayDeps): (request: McpRequest) => Endpoint | Promise<Endpoint> {
  const ofAll = new LRUCache<string, Endpoint>({ max: ENDPOINTS });
  return ({ caller: { tenantId }, server, url }) => {
    const place = { tenantId, environment: environmentOf(url) };
    if (server !== undefined) return endpointOfOne(deps, place, server);
    const key = `${tenantId}/${place.environment}`;
    const endpoint = ofAll.get(key) ?? endpointOfAll(deps, place);
    ofAll.set(key, endpoint);
    return endpoint;
  };
}

function environmentOf(url: string): Environment {
  const at = url.indexOf("?");
  const wanted = at < 0 ? undefined : new URLSearchParams(url.slice(at)).get("environment");
  const environment = Environment.safeParse(wanted ?? "production");
  if (!environment.success) throw new AppError("not_found", `There is no environment ${String(wanted).slice(0, 40)}.`);
  return environment.data;
}

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

  const post = async (endpoint: Endpoint, request: McpRequest, answer: McpAnswer): Promise<void> => {
    const incoming = readMessage(request.body);
    if (incoming.kind === "invalid") return refuse(answer, 400, incoming);
    if (incoming.kind === "request" && CALLS.has(incoming.message.method)) await request.need("tool:call");
    if (incoming.kind === "request" && BEGINNINGS.has(incoming.message.method)) follow(endpoint);
    return isStateless(request) ? stateless.serve(endpoint, request, answer) : stateful.post(endpoint, request, { incoming, answer });
  };
  return {
    async serve(request, answer) {
      const endpoint = await endpointOf(deps, request);
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

function endpointOf(deps: GatewayDeps, { caller, server, url }: McpRequest): Endpoint | Promise<Endpoint> {
  const wanted = new URLSearchParams(url.split("?")[1] ?? "").get("environment") ?? "production";
  const environment = Environment.safeParse(wanted);
  if (!environment.success) throw new AppError("not_found", `There is no environment ${wanted.slice(0, 40)}.`);
  const place = { tenantId: caller.tenantId, environment: environment.data };
  return server === undefined ? endpointOfAll(deps, place) : endpointOfOne(deps, place, server);
}

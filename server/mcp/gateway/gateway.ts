import { background, type Log } from "#server/kernel/log.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import type { ServerLists } from "../protocol/server-lists.ts";
import { createChanges } from "./changes.ts";
import { createServeClient, type ClientDeps } from "./clients.ts";
import type { McpAnswer, McpEndpoint, McpRequest } from "#server/kernel/mcp-endpoint.ts";
import { createEndpoints } from "./endpoints.ts";
import { isStateless } from "./era.ts";
import { createFind } from "./find.ts";
import { keysOf, type Endpoint } from "./identity.ts";
import { createKnownLists } from "./lists.ts";
import { readMessage } from "./messages.ts";
import { createStateful, refuse } from "./stateful.ts";
import { createStateless } from "./stateless.ts";

export type GatewayDeps = Omit<ClientDeps, "lists"> & {
  supervisor: Supervisor;
  /** What the servers offer, as far as the guard of addresses has to know. */
  offered: ServerLists;
  /** Of the servers, for what is left out of theirs. */
  logs: Parameters<typeof createKnownLists>[0];
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
  const lists = createKnownLists(deps.logs);
  const serveClient = createServeClient({ ...deps, lists });
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

  const endpointOf = createEndpoints({ ...deps, findAt: (exposure) => createFind({ ...deps, lists, exposure }) });
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

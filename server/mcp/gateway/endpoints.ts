import { LRUCache } from "lru-cache";
import { Environment } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { McpRequest } from "#server/kernel/mcp-endpoint.ts";
import { endpointOfAll, endpointOfOne, type Endpoint, type EndpointDeps } from "./identity.ts";

const ENDPOINTS = 1_000;

/** The endpoints of all servers of a place; the last ones are kept, as each of their calls asks for its own. */
export function createEndpoints(deps: EndpointDeps): (request: McpRequest) => Endpoint | Promise<Endpoint> {
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

import type { FastifyReply, FastifyRequest } from "fastify";
import { AppError } from "#server/kernel/errors.ts";
import type { RouteSpec } from "#contract/route.ts";

/** Paths of programs: they never get a web page as an answer. */
const API_PATHS = /^\/(?:api|v1|mcp|a2a|ws|hooks|docs|\.well-known|healthz|readyz|metrics|openapi\.json)(?:[/?]|$)/;

type Place = Pick<RouteSpec, "method" | "path" | "aliases" | "stream">;
type Known = { path: RegExp; methods: Set<string> };

/**
 * What to do with a request that no route takes: 405 with `allow` where the path exists for other methods, the web app
 * where a browser asks for a page, and 404 for the rest.
 */
export function unknownPath(routes: readonly Place[], sendPage?: (reply: FastifyReply) => FastifyReply) {
  const known = knownPaths(routes);
  return (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = request.url.split("?", 1)[0] ?? "";
    const allowed = new Set<string>();
    for (const route of known) if (route.path.test(path)) for (const method of route.methods) allowed.add(method);
    if (allowed.size > 0) {
      reply.header("allow", [...allowed].sort().join(", "));
      throw new AppError("method_not_allowed", `${request.method} is not possible here.`);
    }
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (sendPage && isRead && !API_PATHS.test(path) && (request.headers.accept ?? "").includes("text/html")) return sendPage(reply);
    throw new AppError("route_not_found", `There is nothing at ${path.slice(0, 200)}.`);
  };
}

function knownPaths(routes: readonly Place[]): Known[] {
  const known = new Map<string, Known>();
  for (const { method, path, aliases, stream } of routes) {
    for (const each of [path, ...(aliases ?? [])]) {
      const pattern = each.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/:[A-Za-z]+/g, "[^/]+");
      const entry = known.get(pattern) ?? { path: new RegExp(`^${pattern}$`), methods: new Set() };
      entry.methods.add(method);
      if (method === "GET" && stream !== "sse") entry.methods.add("HEAD");
      known.set(pattern, entry);
    }
  }
  return [...known.values()];
}

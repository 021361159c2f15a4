import type { FastifyInstance } from "fastify";
import { LIMITS } from "#contract/limits.ts";
import { ROUTES } from "#contract/routes.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Handled } from "#server/kernel/handle.ts";
import { buildApp } from "./app.ts";
import { endableConnections } from "./connections.ts";
import type { HttpDeps, HttpLimits } from "./ports.ts";

export { openApiDocument } from "./openapi.ts";
export type { AgentSocket, HttpLimits } from "./ports.ts";

export type Http = {
  /** Port 0 asks for a free one. Throws `port_in_use`. */
  listen(at: { host: string; port: number }): Promise<{ address: string }>;
  /** Ends event streams and sockets, answers what is under way and ends within seconds, then resolves. */
  close(): Promise<void>;
  inject: FastifyInstance["inject"];
};

const DEFAULT_LIMITS: HttpLimits = {
  bodyBytes: LIMITS.bodyBytes,
  requestsPerMinute: 600_000,
  signInsPerMinute: 20,
  mcpRequestsPerMinute: LIMITS.mcpRequestsPerMinute,
  eventStreamsPerCaller: LIMITS.eventStreamsPerCaller,
  headersMs: 10_000,
  requestMs: 60_000,
  heartbeatMs: 15_000,
  recheckMs: 2_000,
  closeMs: 5_000,
};

/** The HTTP server. Fails, naming them, while a route that it serves has no handler or more than one. */
export async function createHttp<Agent>(deps: HttpDeps<Agent>): Promise<Http> {
  const { serves = Object.keys(ROUTES) } = deps;
  const routes = deps.routes.filter(({ route }) => serves.includes(route.name) || !Object.hasOwn(ROUTES, route.name));
  assertComplete(routes, serves);
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const app = await buildApp({ ...deps, routes }, limits);
  const endConnections = endableConnections(app.server);
  const close = async (): Promise<void> => {
    const closed = app.close();
    const end = endConnections(limits.closeMs);
    await closed;
    clearTimeout(end);
  };
  let closing: Promise<void> | undefined;
  return {
    listen: async ({ host, port }) => {
      try {
        return { address: await app.listen({ host, port }) };
      } catch (cause) {
        if (!(cause instanceof Error) || !("code" in cause) || cause.code !== "EADDRINUSE") throw cause;
        throw new AppError("port_in_use", `Something else listens on ${host}:${port}.`, { cause });
      }
    },
    close: () => (closing ??= close()),
    inject: app.inject.bind(app),
  };
}

function assertComplete(handled: readonly Handled[], expected: readonly string[]): void {
  const names = handled.map(({ route }) => route.name);
  const missing = expected.filter((name) => !names.includes(name));
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  const unknown = names.filter((name) => !Object.hasOwn(ROUTES, name));
  const problems = [
    ...missing.map((name) => `${name} has no handler`),
    ...twice.map((name) => `${name} has more than one handler`),
    ...unknown.map((name) => `${name} is not a route of the contract`),
  ];
  if (problems.length > 0) throw new AppError("internal", `The routes are not complete: ${problems.join("; ")}.`);
}

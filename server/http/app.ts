import fastifyRateLimit from "@fastify/rate-limit";
import type { FastifyInstance } from "fastify";
import { AppError } from "#server/kernel/errors.ts";
import { errorAnswers } from "./answer-errors.ts";
import { bareApp } from "./bare-app.ts";
import { createDoorkeeper } from "./doorkeeper.ts";
import { openStreams } from "./open-streams.ts";
import { originPolicy } from "./origin.ts";
import type { HttpDeps, HttpLimits } from "./ports.ts";
import { serveAgents } from "./serve-agents.ts";
import { serveDocs } from "./serve-docs.ts";
import { MCP_ROUTES, serveMcp } from "./serve-mcp.ts";
import { serveRoute } from "./serve-route.ts";
import { unknownPath } from "./unknown-path.ts";
import { serveWebApp } from "./web-app.ts";

/** The whole server, ready to listen. */
export async function buildApp<Agent>(deps: HttpDeps<Agent>, limits: HttpLimits): Promise<FastifyInstance> {
  const errors = errorAnswers(deps);
  const origins = originPolicy(deps.host);
  const app = await bareApp(deps, { limits, errors, origins });
  await app.register(fastifyRateLimit, {
    global: false,
    timeWindow: 60_000,
    errorResponseBuilder: (_, { after }) => new AppError("rate_limited", `Too many attempts; try again in ${after}.`),
  });
  const streams = openStreams({ access: deps.access, limits, log: deps.log });
  app.addHook("preClose", (done) => {
    streams.close();
    done();
  });
  const doorkeeper = createDoorkeeper({ ...deps, origins });
  serveAgents(app, deps.agentSocket);
  for (const handled of deps.routes) serveRoute(app, handled, { doorkeeper, streams, limits, checkResponses: deps.checkResponses });
  const { mcpEndpoint } = deps;
  if (mcpEndpoint) {
    app.addHook("preClose", () => mcpEndpoint.close());
    serveMcp(app, mcpEndpoint, { doorkeeper, limits, access: deps.access, errors });
  }
  const isWhole = deps.serves === undefined;
  if (isWhole) await serveDocs(app, deps.version);
  const sendPage = isWhole ? await serveWebApp(app, deps.webDir) : undefined;
  app.setNotFoundHandler(unknownPath([...deps.routes.map(({ route }) => route), ...(mcpEndpoint ? MCP_ROUTES : [])], sendPage));
  await app.ready();
  return app;
}

import fastifyRateLimit from "@fastify/rate-limit";
import fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { AppError } from "#server/kernel/errors.ts";
import { errorAnswers, type ErrorAnswers } from "./answer-errors.ts";
import { createDoorkeeper } from "./doorkeeper.ts";
import { parseJsonBody } from "./json-body.ts";
import { openStreams } from "./open-streams.ts";
import { originPolicy, type OriginPolicy } from "./origin.ts";
import type { HttpDeps, HttpLimits } from "./ports.ts";
import { addSecurityHeaders } from "./security-headers.ts";
import { addWebSockets, serveAgents } from "./serve-agents.ts";
import { serveDocs } from "./serve-docs.ts";
import { serveRoute } from "./serve-route.ts";
import { unknownPath } from "./unknown-path.ts";
import { serveWebApp } from "./web-app.ts";

/** The whole server, ready to listen. Order matters: every hook must be there before the routes it is for. */
export async function buildApp<Agent>(deps: HttpDeps<Agent>, limits: HttpLimits): Promise<FastifyInstance> {
  const errors = errorAnswers(deps);
  const origins = originPolicy(deps.host);
  const app = bareApp(deps, { limits, errors });
  await addWebSockets(app, deps.log);
  app.decorateRequest("caller", null);
  app.setErrorHandler(errors.onError);
  acceptOnlyJson(app);
  checkEveryRequest(app, origins);
  await addSecurityHeaders(app);
  await app.register(fastifyRateLimit, {
    max: limits.requestsPerMinute,
    timeWindow: 60_000,
    addHeadersOnExceeding: { "x-ratelimit-limit": false, "x-ratelimit-remaining": false, "x-ratelimit-reset": false },
    errorResponseBuilder: (_, { after }) => new AppError("rate_limited", `Too many requests; try again in ${after}.`),
  });
  observe(app, deps);
  const streams = openStreams({ access: deps.access, limits, log: deps.log });
  app.addHook("preClose", (done) => {
    streams.close();
    done();
  });
  const doorkeeper = createDoorkeeper({ ...deps, origins });
  serveAgents(app, deps.agentSocket);
  for (const handled of deps.routes) serveRoute(app, handled, { doorkeeper, streams, limits, checkResponses: deps.checkResponses });
  await serveDocs(app, deps.version);
  const sendPage = await serveWebApp(app, deps.webDir);
  app.setNotFoundHandler(
    unknownPath(
      deps.routes.map(({ route }) => route),
      sendPage,
    ),
  );
  await app.ready();
  return app;
}

type Bare = { limits: HttpLimits; errors: ErrorAnswers };

function bareApp({ newId }: Pick<HttpDeps<unknown>, "newId">, { limits, errors }: Bare): FastifyInstance {
  return fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMs,
    // Checked by the error table and the guards below, never by Ajv: every schema of a route is zod.
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: false },
    http: { headersTimeout: limits.headersMs, connectionsCheckingInterval: Math.min(limits.headersMs, 5_000) },
    genReqId: ({ headers }) => {
      const sent = headers["x-request-id"];
      return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : newId();
    },
    frameworkErrors: errors.onError,
    clientErrorHandler: errors.onClientError,
  });
}
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

function acceptOnlyJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, (request, body, done) => {
    try {
      const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(request.headers["content-type"] ?? "")?.[1];
      if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
        throw new AppError("content_type_unsupported", `Expected UTF-8, not ${charset.slice(0, 40)}.`);
      }
      done(null, body.length === 0 ? undefined : parseJsonBody(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error("The body could not be read.", { cause: error }));
    }
  });
}

function checkEveryRequest(app: FastifyInstance, origins: OriginPolicy): void {
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id).header("cache-control", "no-store");
    try {
      origins.check(request.headers);
      const encoding = request.headers["content-encoding"];
      if (encoding !== undefined && encoding !== "identity") {
        throw new AppError("content_type_unsupported", "Compressed bodies are not accepted.", { remedy: "Send the body uncompressed." });
      }
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error("The request could not be checked.", { cause: error }));
    }
  });
}

function observe(app: FastifyInstance, { metrics, tracing }: Pick<HttpDeps<unknown>, "metrics" | "tracing">): void {
  const routeOf = (request: FastifyRequest): string => request.routeOptions.config.routeName ?? "page";
  app.addHook("onResponse", (request, reply, done) => {
    metrics.answered({ route: routeOf(request), method: request.method, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
    done();
  });
  if (tracing === undefined) return;
  app.addHook("onRequest", (request, reply, done) => {
    const { traceparent } = request.headers;
    const end = tracing.started({
      route: routeOf(request),
      method: request.method,
      requestId: request.id,
      traceparent: typeof traceparent === "string" ? traceparent : undefined,
    });
    reply.raw.once("close", () => end(reply.statusCode));
    done();
  });
}

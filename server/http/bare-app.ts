import fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { AppError } from "#server/kernel/errors.ts";
import type { ErrorAnswers } from "./answer-errors.ts";
import { parseJsonBody } from "./json-body.ts";
import type { OriginPolicy } from "./origin.ts";
import type { HttpDeps, HttpLimits } from "./ports.ts";
import { requestBudget } from "./request-budget.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";
import { addWebSockets } from "./serve-agents.ts";

type Rules = { limits: HttpLimits; errors: ErrorAnswers; origins: OriginPolicy };

/** A server without routes: what it accepts at all, and what holds for every request. Order matters: hooks run as they were added. */
export async function bareApp(deps: Omit<HttpDeps<never>, "agentSocket">, rules: Rules): Promise<FastifyInstance> {
  const app = instance(deps, rules);
  await addWebSockets(app, deps.log);
  app.decorateRequest("caller", null);
  app.decorateRequest("rawBody", null);
  app.setErrorHandler(rules.errors.onError);
  acceptOnlyJson(app);
  checkEveryRequest(app, rules);
  observe(app, deps);
  return app;
}

function instance({ newId }: Pick<HttpDeps<unknown>, "newId">, { limits, errors }: Rules): FastifyInstance {
  // Unlike a UUID for each request, this takes no random bytes.
  const prefix = newId().slice(-12);
  let count = 0;
  return fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMs,
    // Checked by the error table and the guards below, never by Ajv: every schema of a route is zod.
    routerOptions: { maxParamLength: 800, ignoreTrailingSlash: false },
    http: { headersTimeout: limits.headersMs, connectionsCheckingInterval: Math.min(limits.headersMs, 5_000) },
    genReqId: ({ headers }) => {
      const sent = headers["x-request-id"];
      if (typeof sent === "string" && REQUEST_ID.test(sent)) return sent;
      count += 1;
      return `${prefix}-${count.toString(36)}`;
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
      if (request.routeOptions.config.keepsBody === true) request.rawBody = body;
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

function checkEveryRequest(app: FastifyInstance, { origins, limits }: Rules): void {
  const spend = requestBudget(limits.requestsPerMinute, "address");
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers(SECURITY_HEADERS).header("x-request-id", request.id);
    try {
      spend(request.ip, performance.now());
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

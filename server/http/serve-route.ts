import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { RouteSpec } from "#contract/route.ts";
import { AppError } from "#server/kernel/errors.ts";
import { EventStream, LineStream, WithCookie, type Handled } from "#server/kernel/handle.ts";
import { NOBODY, type Doorkeeper } from "./doorkeeper.ts";
import { requestParser, type Parsed } from "./parse-request.ts";
import type { Caller } from "#server/kernel/caller.ts";
import type { HttpLimits } from "./ports.ts";
import { sessionCookie } from "./session-cookie.ts";
import type { OpenStreams } from "./open-streams.ts";

export type RouteServing = { doorkeeper: Doorkeeper; streams: OpenStreams; limits: HttpLimits; checkResponses: boolean };

/** Registers one route of the contract under its path and aliases. */
export function serveRoute(app: FastifyInstance, handled: Handled, serving: RouteServing): void {
  const { route } = handled;
  const parse = requestParser(route);
  const respond = responder(route, serving);
  const isSignIn = route.name === "createSession";
  for (const url of [route.path, ...(route.aliases ?? [])]) {
    app.route({
      method: route.method,
      url,
      // A stream has no end that a HEAD request could wait for.
      exposeHeadRoute: route.method === "GET" && route.stream !== "sse" && route.stream !== "ndjson",
      ...(route.rawBody && { bodyLimit: Math.min(route.rawBody.maxBytes, serving.limits.bodyBytes) }),
      config: {
        routeName: route.name,
        ...(route.rawBody && { keepsBody: true }),
        ...(isSignIn && { rateLimit: { max: serving.limits.signInsPerMinute } }),
      },
      preParsing: serving.doorkeeper.guard(route.permission),
      handler: async (request, reply) => respond(await handled.run(new RoutedRequest(parse(request), request, reply)), request, reply),
    });
  }
}

const NO_BYTES = new Uint8Array();

/** What a handler gets. The signal is made on first use: most handlers never ask for it. */
class RoutedRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
  readonly caller: Caller;
  readonly requestId: string;
  readonly rawBody: Uint8Array;
  readonly #reply: FastifyReply;
  #controller: AbortController | undefined;

  constructor(parsed: Parsed, request: FastifyRequest, reply: FastifyReply) {
    this.params = parsed.params;
    this.query = parsed.query;
    this.headers = parsed.headers;
    this.body = parsed.body;
    this.caller = request.caller ?? NOBODY;
    this.requestId = request.id;
    this.rawBody = request.rawBody ?? NO_BYTES;
    this.#reply = reply;
  }

  /** Aborts when the client goes away, and when the answer is complete. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    if (this.#reply.raw.destroyed) controller.abort();
    else this.#reply.raw.once("close", () => controller.abort());
    return controller.signal;
  }
}

type Respond = (answer: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

function responder(route: RouteSpec, { streams, checkResponses }: RouteServing): Respond {
  const status = route.status ?? 200;
  const check = checkResponses ? answerCheck(route) : undefined;
  return (answer, request, reply) => {
    if (answer instanceof EventStream) return streams.open(answer, request, reply);
    if (answer instanceof LineStream)
      return reply.type("application/x-ndjson; charset=utf-8").send(Readable.from(streams.lines(answer, request)));
    const body = answer instanceof WithCookie ? answer.body : answer;
    if (answer instanceof WithCookie) reply.header("set-cookie", sessionCookie(answer.session, request.protocol === "https"));
    check?.(body);
    reply.code(status);
    if (status === 204) return reply.send();
    if (route.stream === "text") return reply.type("text/plain; version=0.0.4; charset=utf-8").send(body);
    return reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
  };
}

const answerCheck =
  (route: RouteSpec) =>
  (body: unknown): void => {
    const parsed = route.response.safeParse(body);
    if (parsed.success) return;
    throw new AppError("internal", "Something unexpected happened.", {
      cause: new TypeError(`The answer of ${route.name} does not fit its contract: ${parsed.error.message}`),
    });
  };

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Socket } from "node:net";
import type { Problem } from "#contract/errors.ts";
import type { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Redactor } from "#server/kernel/ports.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";
import { connectionErrorOf, errorOf, problemOf, rawAnswer } from "./problem.ts";

type Deps = { log: Log; redactor: Redactor; newId: () => string };

const RETRY_AFTER_S = 5;

/** How everything that is thrown becomes an answer: problem+json, with the thing itself only in the log. */
export function errorAnswers({ log, redactor, newId }: Deps) {
  const problemFor = (error: AppError, request: FastifyRequest): Problem => {
    const problem = problemOf(error, request.id);
    problem.detail = redactor.text(problem.detail);
    problem.issues = problem.issues?.map((issue) => ({ ...issue, message: redactor.text(issue.message) }));
    return problem;
  };
  const read = (thrown: unknown, request: FastifyRequest): AppError => {
    const error = errorOf(thrown);
    if (error.code === "internal") {
      log.error("a request failed unexpectedly", { requestId: request.id, route: request.routeOptions.url, error: error.cause ?? error });
    }
    return error;
  };
  const send = (error: AppError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = problemFor(error, request);
    // Errors of the router come before the hooks that set these.
    reply.headers(SECURITY_HEADERS).header("x-request-id", request.id);
    if (problem.status === 401) reply.header("www-authenticate", "Bearer");
    if (problem.status === 429 && !reply.hasHeader("retry-after")) reply.header("retry-after", String(RETRY_AFTER_S));
    // Clients of OpenAI's API look for their own shape; RFC 9457 allows more members.
    const extra = request.url.startsWith("/v1/") ? { error: { message: problem.detail, type: error.code, code: error.code } } : {};
    return reply
      .code(problem.status)
      .type("application/problem+json; charset=utf-8")
      .send(JSON.stringify({ ...problem, ...extra }));
  };

  return {
    send,
    /** What was thrown means this to the caller; the log is told of what nobody expected. */
    read,
    problem: problemFor,
    onError: (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => send(read(thrown, request), request, reply),
    /** A connection that never became a request. */
    onClientError: (error: Error, socket: Socket): void => {
      const gone = "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
      if (gone || !socket.writable || socket.bytesWritten > 0) socket.destroy();
      else socket.end(rawAnswer(connectionErrorOf(error), newId()));
    },
  };
}
export type ErrorAnswers = ReturnType<typeof errorAnswers>;

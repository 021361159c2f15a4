import type { FastifyReply, FastifyRequest } from "fastify";
import { AppError } from "#server/kernel/errors.ts";
import type { EventStream, LineStream } from "#server/kernel/handle.ts";
import type { Log } from "#server/kernel/log.ts";
import { NOBODY } from "./doorkeeper.ts";
import { eventStream } from "./event-stream.ts";
import type { Authentication, HttpLimits } from "./ports.ts";

export type OpenStreams = {
  open(stream: EventStream, request: FastifyRequest, reply: FastifyReply): FastifyReply;
  /** The same lines, as long as their caller may read them: whoever reads slowly may read for long. Breaks off else. */
  lines(stream: LineStream, request: FastifyRequest): AsyncIterable<string>;
  /** Ends all of them; new ones end at once. */
  close(): void;
};

type Deps = { access: Authentication; limits: HttpLimits; log: Log };

/** The event streams that are open, counted by caller: each holds a socket, and some hold a subscription. */
export function openStreams({ access, limits, log }: Deps): OpenStreams {
  const closing = new AbortController();
  const counts = new Map<string, number>();
  const add = (principalId: string, change: number): void => {
    const count = (counts.get(principalId) ?? 0) + change;
    if (count > 0) counts.set(principalId, count);
    else counts.delete(principalId);
  };
  const stillMay = ({ caller, headers: { authorization, cookie } }: FastifyRequest) => {
    const { principalId } = caller ?? NOBODY;
    return async (): Promise<boolean> => (await access.authenticate({ authorization, cookie }))?.principalId === principalId;
  };
  return {
    open: ({ events }, request, reply) => {
      const { principalId } = request.caller ?? NOBODY;
      if ((counts.get(principalId) ?? 0) >= limits.eventStreamsPerCaller) {
        throw new AppError("rate_limited", `At most ${limits.eventStreamsPerCaller} event streams may be open at once.`);
      }
      add(principalId, 1);
      const gone = new AbortController();
      reply.raw.once("close", () => {
        gone.abort();
        add(principalId, -1);
      });
      const body = eventStream(events, {
        signal: AbortSignal.any([gone.signal, closing.signal]),
        heartbeatMs: limits.heartbeatMs,
        recheckMs: limits.recheckMs,
        mayGoOn: stillMay(request),
        requestId: request.id,
        onFailure: (error) => log.warn("an event stream failed", { requestId: request.id, error }),
      });
      return (
        reply
          .type("text/event-stream; charset=utf-8")
          // Nginx and its relatives would collect the events otherwise.
          .header("x-accel-buffering", "no")
          // A kept-alive connection would hold up a server that closes after the stream has ended.
          .header("connection", "close")
          .send(body)
      );
    },
    lines: ({ documents }, request) => lineStream(documents, { recheckMs: limits.recheckMs, mayGoOn: stillMay(request) }),
    close: () => closing.abort(),
  };
}

type LineOptions = { recheckMs: number; mayGoOn: () => Promise<boolean> };

async function* lineStream(documents: AsyncIterable<unknown>, { recheckMs, mayGoOn }: LineOptions): AsyncGenerator<string> {
  let askedAt = performance.now();
  for await (const document of documents) {
    if (performance.now() - askedAt >= recheckMs) {
      askedAt = performance.now();
      if (!(await mayGoOn())) throw new AppError("unauthenticated", "The token or session has ended meanwhile.");
    }
    yield `${JSON.stringify(document)}\n`;
  }
}

import type { RouteRequest, RouteResponse, RouteSpec } from "#contract/route.ts";
import type { Caller } from "./caller.ts";

export type RequestContext = {
  readonly caller: Caller;
  readonly requestId: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** The body's bytes as they came; only on routes with `rawBody`. Empty when there was no body. */
  readonly rawBody?: Uint8Array;
};

/**
 * Server-sent events: each item is one event, whose `data` is written as JSON. `id` is what `Last-Event-ID` resumes from.
 * `raw` writes `data: <raw>` as it is, for protocols with sentinels that are not JSON (`[DONE]`).
 */
export type SseEvent = { id?: string; event?: string } & ({ data: unknown } | { raw: string });
/**
 * A streamed answer, for routes marked `stream: "sse"`. The iterable is ended (`return()`) when the client goes away or
 * the server closes, and is read only as fast as the client reads. Errors that should be the answer (`not_found`) must be
 * thrown before the stream is returned; later ones become an event named `error`.
 */
export class EventStream {
  readonly events: AsyncIterable<SseEvent>;
  constructor(events: AsyncIterable<SseEvent>) {
    this.events = events;
  }
}
/**
 * An answer of one JSON document per line, for routes marked `stream: "ndjson"`. Read only as fast as the client reads, and ended when it
 * goes away. An error on the way breaks the connection off, so that half an answer does not look like a whole one.
 */
export class LineStream {
  readonly documents: AsyncIterable<unknown>;
  constructor(documents: AsyncIterable<unknown>) {
    this.documents = documents;
  }
}
/** An answer that also sets or clears the session cookie, for routes marked `stream: "cookie"`. Null clears it. */
export class WithCookie<T> {
  readonly body: T;
  readonly session: { value: string; maxAgeSeconds: number } | null;
  constructor(body: T, session: { value: string; maxAgeSeconds: number } | null) {
    this.body = body;
    this.session = session;
  }
}

type Answer<R extends RouteSpec> =
  | RouteResponse<R>
  | (R["stream"] extends "sse" ? EventStream : never)
  | (R["stream"] extends "ndjson" ? LineStream : never)
  | (R["stream"] extends "cookie" ? WithCookie<RouteResponse<R>> : never);

export type Handler<R extends RouteSpec> = (request: RouteRequest<R> & RequestContext) => Promise<Answer<R>> | Answer<R>;

/** A route with the function that serves it; its types are erased so that a list can hold all of them. */
export type Handled = {
  readonly route: RouteSpec;
  /** `request` was parsed with the route's own schemas. */
  run(request: RequestContext & { params: unknown; query: unknown; headers: unknown; body: unknown }): unknown;
};

export const handle = <R extends RouteSpec>(route: R, handler: Handler<R>): Handled => ({ route, run: handler });

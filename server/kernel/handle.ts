import type { RouteRequest, RouteResponse, RouteSpec } from "#contract/route.ts";
import type { Caller } from "./caller.ts";

export type RequestContext = {
  readonly caller: Caller;
  readonly requestId: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
};

/** Server-sent events: each item is one event. `id` is what `Last-Event-ID` resumes from. */
export type SseEvent = { id?: string; event?: string; data: unknown };
/** A streamed answer, for routes marked `stream: "sse"`. `raw` writes `data: <text>` without JSON encoding. */
export class EventStream {
  readonly events: AsyncIterable<SseEvent>;
  constructor(events: AsyncIterable<SseEvent>) {
    this.events = events;
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
  | (R["stream"] extends "cookie" ? WithCookie<RouteResponse<R>> : never);

export type Handler<R extends RouteSpec> = (request: RouteRequest<R> & RequestContext) => Promise<Answer<R>> | Answer<R>;

/** A route with the function that serves it; its types are erased so that a list can hold all of them. */
export type Handled = {
  readonly route: RouteSpec;
  readonly run: (request: never) => unknown;
};

export const handle = <R extends RouteSpec>(route: R, handler: Handler<R>): Handled => ({ route, run: handler });

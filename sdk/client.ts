import { ROUTES, type RouteName, type Routes } from "#contract/routes.ts";
import type { RouteCall, RouteResponse, RouteSpec } from "#contract/route.ts";
import type { JournalEvent } from "#contract/journal.ts";
import { ServerLogLine } from "#contract/mcp/logs.ts";
import type { Run } from "#contract/runs.ts";
import { apiErrorOf } from "./api-error.ts";
import { followFrames, type FollowedFrame } from "./follow-frames.ts";
import { followRun } from "./follow-run.ts";
import { serverEvents } from "./server-events.ts";

export { ApiError } from "./api-error.ts";

export type ClientOptions = {
  /** The server's address, for example `http://127.0.0.1:4600`. */
  url: string;
  /** An API token. In the browser the session cookie is sent instead. */
  token?: string;
  fetch?: typeof fetch;
};

type Given<C> = { [K in keyof C as [C[K]] extends [undefined] ? never : K]: C[K] };
type Lenient<C> = { [K in keyof C as object extends C[K] ? never : undefined extends C[K] ? never : K]: C[K] } & {
  [K in keyof C as object extends C[K] ? K : undefined extends C[K] ? K : never]?: C[K];
};
/** Only what the route takes; a part whose fields are all optional may be left out. */
export type CallOf<R extends RouteSpec> = Lenient<Given<RouteCall<R>>> & { signal?: AbortSignal };
type Method<R extends RouteSpec> =
  object extends CallOf<R> ? (call?: CallOf<R>) => Promise<RouteResponse<R>> : (call: CallOf<R>) => Promise<RouteResponse<R>>;

type RouteMethods = { [N in RouteName]: Method<Routes[N]> };
export type FollowOptions = { after?: number; signal?: AbortSignal };
/**
 * One method per route of the contract; each throws `ApiError` when the server refuses. Event streams have methods of
 * their own: `followRun` yields a run's events from the first (or after `after`), reconnects by itself, and ends with the
 * run's last event; `waitForRun` resolves with the run once it is over; `followServerFrames` yields what goes to an MCP server and comes
 * from it, from now on, until it is aborted.
 */
export type Client = RouteMethods & {
  followRun(runId: string, options?: FollowOptions): AsyncGenerator<JournalEvent>;
  waitForRun(runId: string, options?: { signal?: AbortSignal }): Promise<Run>;
  /** Lines of an MCP server's log as they are written, until the connection ends or the signal aborts. */
  followServerLogs(call: CallOf<Routes["streamServerLogs"]>): AsyncGenerator<ServerLogLine>;
  followServerFrames(serverId: string, options?: { query?: FrameQuery; signal?: AbortSignal }): AsyncGenerator<FollowedFrame>;
};
type FrameQuery = RouteCall<Routes["streamServerFrames"]>["query"];

type AnyCall = { params?: object; query?: object; headers?: object; body?: unknown; signal?: AbortSignal };
type Send = (route: RouteSpec, call: AnyCall) => Promise<Response>;

export function createClient(options: ClientOptions): Client;
export function createClient(options: ClientOptions): object {
  const send = sender(options);
  const methods = Object.entries(ROUTES).map(([name, route]) => [name, (call: AnyCall = {}) => answer(send, route, call)]);
  const open = (runId: string, after: number, signal: AbortSignal | undefined): Promise<Response> =>
    send(ROUTES.streamRunEvents, { params: { id: runId }, query: { after }, ...(signal ? { signal } : {}) });
  const follow = (runId: string, given: FollowOptions = {}) => followRun({ open: (after) => open(runId, after, given.signal), ...given });
  return {
    ...Object.fromEntries(methods),
    followRun: follow,
    followServerLogs: async function* (call: AnyCall) {
      for await (const { data } of serverEvents(await send(ROUTES.streamServerLogs, call))) yield ServerLogLine.parse(JSON.parse(data));
    },
    waitForRun: async (runId: string, given: { signal?: AbortSignal } = {}) => {
      for await (const _ of follow(runId, given)) continue;
      return answer(send, ROUTES.getRun, { params: { id: runId } });
    },
    followServerFrames: (id: string, { query = {}, signal }: { query?: FrameQuery; signal?: AbortSignal } = {}) => {
      const headers = (last: string | undefined): object => (last === undefined ? {} : { "last-event-id": last });
      const call = { params: { id }, query, ...(signal && { signal }) };
      return followFrames({ open: (last) => send(ROUTES.streamServerFrames, { ...call, headers: headers(last) }), signal });
    },
  };
}

async function answer(send: Send, route: RouteSpec, call: AnyCall): Promise<unknown> {
  const response = await send(route, call);
  if (response.status === 204) return undefined;
  if (route.stream === "text" || route.stream === "ndjson") return response.text();
  return response.json();
}

function sender({ url, token, fetch: send = fetch }: ClientOptions): Send {
  return async (route, { params = {}, query = {}, headers = {}, body, signal }) => {
    const response = await send(`${url}${pathOf(route, params)}${searchOf(query)}`, {
      method: route.method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...textsOf(headers),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw await apiErrorOf(response);
    return response;
  };
}

const textsOf = (given: object): Record<string, string> =>
  Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));

function pathOf(route: RouteSpec, params: object): string {
  const texts = textsOf(params);
  return route.path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(texts[name] ?? ""));
}

function searchOf(query: object): string {
  const search = new URLSearchParams(textsOf(query)).toString();
  return search === "" ? "" : `?${search}`;
}

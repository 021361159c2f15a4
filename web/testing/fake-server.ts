import { REMEDY, type ErrorCode } from "#contract/errors.ts";
import type { RouteResponse } from "#contract/route.ts";
import { ROUTES, type RouteName, type Routes } from "#contract/routes.ts";

export type FakeCall = { params: Record<string, string>; query: URLSearchParams; body: unknown; headers: Headers };
type Answer<N extends RouteName> = RouteResponse<Routes[N]>;
type Reply = (call: FakeCall) => unknown;

class Refusal extends Error {
  readonly status: number;
  readonly code: ErrorCode;
  constructor(status: number, code: ErrorCode, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/**
 * The server as the page sees it: a `fetch` that answers the contract's routes. Everything on this side of the network is
 * the real product. A route without an answer is `not_found`.
 */
export class FakeServer {
  readonly #replies = new Map<RouteName, Reply>();
  readonly #calls: { name: RouteName; call: FakeCall }[] = [];

  answer<N extends RouteName>(name: N, answer: Answer<N> | ((call: FakeCall) => Answer<N>)): this {
    this.#replies.set(name, typeof answer === "function" ? (call) => answer(call) : () => answer);
    return this;
  }

  refuse(name: RouteName, status: number, { code, detail = "Refused." }: { code: ErrorCode; detail?: string }): this {
    this.#replies.set(name, () => {
      throw new Refusal(status, code, detail);
    });
    return this;
  }

  callsOf(name: RouteName): readonly FakeCall[] {
    return this.#calls.filter((made) => made.name === name).map((made) => made.call);
  }

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input, window.location.origin);
    const found = routeOf(init.method ?? "GET", url.pathname);
    if (!found) return problem(new Refusal(404, "route_not_found", url.pathname));
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
    const call = { params: found.params, query: url.searchParams, body, headers: new Headers(init.headers) };
    this.#calls.push({ name: found.name, call });
    // A real answer never comes within the same turn.
    await Promise.resolve();
    try {
      const reply = this.#replies.get(found.name);
      if (!reply) throw new Refusal(404, "not_found", `${found.name} has no answer.`);
      const answer = reply(call);
      return answer === undefined ? new Response(null, { status: 204 }) : Response.json(answer);
    } catch (error) {
      if (error instanceof Refusal) return problem(error);
      throw error;
    }
  };
}

function problem({ status, code, message }: Refusal): Response {
  const body = {
    type: "about:blank",
    title: code,
    status,
    code,
    detail: message,
    remedy: REMEDY[code],
    class: "fatal",
    requestId: "req-1",
  };
  return Response.json(body, { status, headers: { "content-type": "application/problem+json" } });
}

function routeOf(method: string, path: string): { name: RouteName; params: Record<string, string> } | undefined {
  let name: RouteName;
  for (name in ROUTES) {
    const route = ROUTES[name];
    const match = new RegExp(`^${route.path.replaceAll(/:(\w+)/g, "(?<$1>[^/]+)")}$`).exec(path);
    if (match && route.method === method) return { name, params: { ...match.groups } };
  }
  return undefined;
}

export const pageOf = <T>(items: T[], nextCursor: string | null = null): { items: T[]; nextCursor: string | null } => ({
  items,
  nextCursor,
});

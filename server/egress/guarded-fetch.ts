import { Dispatcher1Wrapper, type Dispatcher } from "undici";
import { EgressDenied } from "./denied.ts";
import { capInflated } from "./response-cap.ts";
import { parseTarget, type Target } from "./target.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Set by the connection or by a proxy in front of the receiver; from data they could only mislead it. */
const RESERVED_HEADERS = /^(host|proxy-.*|x-forwarded-.*|forwarded|x-real-ip)$/i;
/** All that another origin gets to see after a redirect: every other header may be a credential. */
const HARMLESS_HEADERS = new Set(["accept", "accept-encoding", "accept-language", "user-agent"]);

type Hop = { target: Target; method: string; headers: Headers; body: NonNullable<RequestInit["body"]> | null };

/**
 * `fetch` whose every socket goes through `dispatcher`. Redirects are followed here, hop by hop, so that each one is
 * checked like a first call; credentials and bodies stay with the origin they were meant for. `signal` bounds the time,
 * there is no other limit. With `staysAtOrigin` no redirect leads to another origin.
 */
export function guardedFetch(guarded: Dispatcher, { staysAtOrigin = false } = {}): typeof globalThis.fetch {
  // Node's own fetch, so that callers get the global Response class; it speaks the dispatcher interface of undici 7.
  const dispatcher = new Dispatcher1Wrapper(guarded);
  return async (input, init = {}) => {
    const request = input instanceof Request ? await fromRequest(input, init) : { url: input, init };
    const mode = request.init.redirect ?? "follow";
    let hop = firstHop(request.url, request.init);
    for (let redirects = 0; ; redirects++) {
      const response = await send(hop, request.init, dispatcher);
      const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
      if (location === null || mode === "manual") return capInflated(response);
      await response.body?.cancel();
      if (mode === "error") throw new TypeError("The answer is a redirect, and the caller follows none.");
      if (redirects === MAX_REDIRECTS) throw refuse(hop.target.url, `The call was redirected more than ${MAX_REDIRECTS} times.`);
      const next = nextHop(hop, response.status, location);
      if (staysAtOrigin && next.target.url.origin !== hop.target.url.origin)
        throw refuse(next.target.url, "A redirect to another origin is not followed: the address may hold a credential.");
      hop = next;
    }
  };
}

async function fromRequest(request: Request, init: RequestInit): Promise<{ url: string; init: RequestInit }> {
  const body = request.body === null ? null : await request.arrayBuffer();
  const { method, headers, redirect, signal } = request;
  return { url: request.url, init: { method, headers, redirect, signal, body, ...init } };
}

function firstHop(url: string | URL, init: RequestInit): Hop {
  const headers = new Headers(init.headers);
  for (const name of headers.keys())
    if (RESERVED_HEADERS.test(name))
      throw new EgressDenied(`The header ${name} may not be set.`, { reason: "header_refused", at: parseTarget(url).url.host });
  return { target: parseTarget(url), method: (init.method ?? "GET").toUpperCase(), headers, body: init.body ?? null };
}

async function send(hop: Hop, init: RequestInit, dispatcher: Dispatcher): Promise<Response> {
  const { target, method, headers, body } = hop;
  const options: RequestInit = { ...init, method, headers, body, redirect: "manual" };
  // Set past the types: those of Node's fetch describe the dispatchers of another version.
  Reflect.set(options, "dispatcher", dispatcher);
  try {
    return await fetch(target.url, options);
  } catch (error) {
    throw denialIn(error) ?? error;
  }
}

/** `fetch` wraps what its connector failed with. */
function denialIn(error: unknown): EgressDenied | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof EgressDenied) return at;
  return undefined;
}

function nextHop(hop: Hop, status: number, location: string): Hop {
  const from = hop.target.url;
  const next = parseTarget(follow(location, from));
  if (from.protocol === "https:" && next.url.protocol === "http:") throw refuse(next.url, "A redirect from https to http is not followed.");
  const sameOrigin = next.url.origin === from.origin;
  const becomesGet = status === 303 ? hop.method !== "HEAD" : status <= 302 && hop.method === "POST";
  const headers = sameOrigin ? new Headers(hop.headers) : harmless(hop.headers);
  if (becomesGet) {
    for (const name of ["content-type", "content-length", "content-encoding"]) headers.delete(name);
    return { target: next, method: "GET", headers, body: null };
  }
  if (hop.body !== null && !sameOrigin) throw refuse(next.url, "A redirect to another origin would take the request's body along.");
  if (hop.body instanceof ReadableStream) throw refuse(next.url, "A redirect asks for the body again, but it was a stream.");
  return { target: next, method: hop.method, headers, body: hop.body };
}

/** A relative location is safe to resolve; an absolute one keeps its written form, which `parseTarget` looks at. */
function follow(location: string, base: URL): string | URL {
  if (URL.canParse(location)) return location;
  const url = URL.parse(location, base.href);
  if (!url) throw refuse(base, "The answer redirects to something that is not a URL.");
  return url;
}

const harmless = (headers: Headers): Headers => new Headers([...headers].filter(([name]) => HARMLESS_HEADERS.has(name)));
const refuse = ({ host }: URL, message: string): EgressDenied =>
  new EgressDenied(message, { reason: "redirect_refused", at: host, remedy: "Call the final address directly." });

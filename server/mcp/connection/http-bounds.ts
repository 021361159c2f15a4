import type { ReconnectionScheduler } from "@modelcontextprotocol/client";
import { ConnectionFailure } from "./connection-failure.ts";
import { MESSAGE_BYTES } from "./stdio-transport.ts";
import { eventGate } from "./event-gate.ts";
import type { Timings } from "../supervision/timings.ts";

type Fetch = typeof globalThis.fetch;
export type HttpDeadlines = Pick<Timings, "httpHeadersMs" | "httpIdleMs" | "httpBodyMs">;

/** Told of an answer that is cut off, and of so many notifications that came too fast and were left out. */
type Overmuch = { onCut?: (why: ConnectionFailure) => void; onFlood?: (count: number) => void };

/**
 * A `fetch` whose answers break off when one document, or one event of a stream, grows beyond the limit, and when they do
 * not come: headers, the next bytes of a document, and its end each have a deadline. A stream of events may be silent; and
 * what answers a call may take as long as the call, whose own deadline ends it.
 */
export function bounded(inner: Fetch, deadlines: HttpDeadlines, { onCut = () => {}, onFlood = () => {} }: Overmuch = {}): Fetch {
  return async (input, init) => {
    const isPost = init?.method === "POST";
    const response = isPost ? await inner(input, init) : await withHeaders(inner, [input, init], deadlines);
    if (response.body === null || (isPost && announcedLength(response) <= MESSAGE_BYTES)) return response;
    const isStream = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
    const { status, statusText, headers } = response;
    const limited = response.body.pipeThrough(limit(isStream, onCut));
    return new Response(isStream ? limited.pipeThrough(eventGate(onFlood)) : limited.pipeThrough(patience(deadlines)), {
      status,
      statusText,
      headers,
    });
  };
}

/** NaN when the length is not known beforehand; a compressed body is longer than announced. */
const announcedLength = ({ headers }: Response): number =>
  headers.has("content-encoding") ? Number.NaN : Number(headers.get("content-length") ?? Number.NaN);

async function withHeaders(inner: Fetch, [input, init]: Parameters<Fetch>, { httpHeadersMs }: HttpDeadlines): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(tooLate(`no answer within ${httpHeadersMs} ms`)), httpHeadersMs).unref();
  const signal = init?.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
  try {
    return await inner(input, { ...init, signal });
  } finally {
    clearTimeout(timer);
  }
}

const tooLate = (what: string): ConnectionFailure =>
  new ConnectionFailure("mcp_timeout", `The server took too long: ${what}.`, { retryable: true });

function limit(perEvent: boolean, onCut: (why: ConnectionFailure) => void): TransformStream<Uint8Array, Uint8Array> {
  let size = 0;
  let last = 0;
  return new TransformStream({
    transform(chunk, controller) {
      for (const byte of perEvent ? chunk : []) {
        if (byte === 13) continue;
        size = byte === 10 && last === 10 ? 0 : size + 1;
        last = byte;
      }
      if (!perEvent) size += chunk.length;
      if (size <= MESSAGE_BYTES) return controller.enqueue(chunk);
      const why = new ConnectionFailure("mcp_message_too_large", `The server's answer is longer than ${MESSAGE_BYTES} bytes.`);
      onCut(why);
      controller.error(why);
    },
  });
}

/** Ends a document that trickles in. */
function patience({ httpIdleMs, httpBodyMs }: HttpDeadlines): TransformStream<Uint8Array, Uint8Array> {
  let idle: NodeJS.Timeout | undefined;
  let whole: NodeJS.Timeout | undefined;
  const rest = (): void => {
    clearTimeout(idle);
    clearTimeout(whole);
  };
  return new TransformStream({
    start(controller) {
      const giveUp = (what: string): void => {
        rest();
        controller.error(tooLate(what));
      };
      idle = setTimeout(() => giveUp(`nothing more of its answer within ${httpIdleMs} ms`), httpIdleMs).unref();
      whole = setTimeout(() => giveUp(`its answer did not end within ${httpBodyMs} ms`), httpBodyMs).unref();
    },
    transform(chunk, controller) {
      idle?.refresh();
      controller.enqueue(chunk);
    },
    flush: rest,
    cancel: rest,
  });
}

const CEILING_MS = 30_000;
const CALM_MS = 60_000;
const JITTER = 0.3;

/**
 * When a stream that ended is opened again: never sooner than the floor, whatever the server's `retry` asks, and later each
 * time as long as it goes on like that.
 */
export function paced(floorMs: number, random: () => number = Math.random): ReconnectionScheduler {
  let streak = 0;
  let last = Number.NEGATIVE_INFINITY;
  return (reconnect, asked) => {
    const now = performance.now();
    streak = now - last > CALM_MS ? 0 : streak + 1;
    last = now;
    const pause = Math.min(Math.max(asked, floorMs * 2 ** Math.min(streak, 16)), CEILING_MS);
    const timer = setTimeout(reconnect, pause * (1 + random() * JITTER)).unref();
    return () => clearTimeout(timer);
  };
}

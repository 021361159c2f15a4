import { setTimeout as sleep } from "node:timers/promises";
import {
  StreamableHTTPClientTransport,
  type JSONRPCMessage,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/client";
import { AppError } from "#server/kernel/errors.ts";
import type { FrameRecorder } from "./frames.ts";
import { isJson } from "./json-value.ts";
import { MESSAGE_BYTES } from "./stdio-transport.ts";

type Options = {
  url: string;
  headers: Readonly<Record<string, string>>;
  /** The guarded one: it checks each socket where it connects. */
  fetch: typeof globalThis.fetch;
  frames: FrameRecorder;
};

/** How long the end waits for the server to hear of it. */
const FAREWELL_MS = 1_000;

/** Streamable HTTP with every message recorded and every answer bounded. */
export class HttpTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  /** Each request has its own stream, whose end is the cancellation in the 2026 era. */
  readonly hasPerRequestStream = true;
  readonly #inner: StreamableHTTPClientTransport;
  readonly #frames: FrameRecorder;

  constructor({ url, headers, fetch, frames }: Options) {
    this.#frames = frames;
    this.#inner = new StreamableHTTPClientTransport(new URL(url), {
      fetch: bounded(fetch),
      requestInit: { headers: { ...headers } },
      onInsufficientScope: "throw",
    });
    this.#inner.onclose = () => this.onclose?.();
    this.#inner.onerror = (error) => this.onerror?.(error);
    this.#inner.onmessage = (message: JSONRPCMessage) => this.#receive(message);
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  start(): Promise<void> {
    return this.#inner.start();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    this.#frames.sent(message);
    await this.#inner.send(message, options);
  }

  /** Tells the server that the session is over, where it has one, and ends all streams. */
  async close(): Promise<void> {
    const told = new AbortController();
    const farewell = this.#inner.terminateSession().catch(() => {});
    await Promise.race([farewell, sleep(FAREWELL_MS, undefined, { signal: told.signal, ref: false }).catch(() => {})]);
    told.abort();
    await this.#inner.close();
  }

  setProtocolVersion(version: string): void {
    this.#inner.setProtocolVersion(version);
  }

  #receive(message: JSONRPCMessage): void {
    const content: unknown = message;
    if (!isJson(content)) {
      this.onerror?.(new AppError("mcp_protocol_error", "The server sent a message that is nested too deep."));
      return;
    }
    this.#frames.received(message, content);
    this.onmessage?.(message);
  }
}

/** A `fetch` whose answers break off when one document, or one event of a stream, grows beyond the limit. */
function bounded(inner: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    if (response.body === null || announcedLength(response) <= MESSAGE_BYTES) return response;
    const perEvent = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(limit(perEvent)), { status, statusText, headers });
  };
}

/** NaN when the length is not known beforehand; a compressed body is longer than announced. */
const announcedLength = ({ headers }: Response): number =>
  headers.has("content-encoding") ? Number.NaN : Number(headers.get("content-length") ?? Number.NaN);

function limit(perEvent: boolean): TransformStream<Uint8Array, Uint8Array> {
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
      if (size > MESSAGE_BYTES)
        controller.error(new AppError("mcp_protocol_error", `The server's answer is longer than ${MESSAGE_BYTES} bytes.`));
      else controller.enqueue(chunk);
    },
  });
}

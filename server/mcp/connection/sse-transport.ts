import { SdkError, SdkErrorCode, SdkHttpError, serializeMessage, type JSONRPCMessage, type Transport } from "@modelcontextprotocol/client";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { AskedOfUs } from "./asked-of-us.ts";
import { answersNothing } from "./answer-ids.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import type { FrameRecorder } from "./frames.ts";
import { bounded } from "./http-bounds.ts";
import type { HttpTransportOptions } from "./http-transport.ts";
import { insteadOfDeep } from "./failed-answer.ts";
import { isJson } from "./json-value.ts";
import { parseMessage } from "./stdio-transport.ts";

/**
 * HTTP with SSE as of 2024-11-05: one stream on which the server answers, and an address that its first event names, to
 * which messages are posted. A session lives as long as its stream: when that ends, the connection is lost, and whoever
 * supervises the server connects anew after a pause of its own choice. The server's `retry` has no say.
 */
export class SseTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  readonly #options: HttpTransportOptions;
  readonly #fetch: typeof globalThis.fetch;
  readonly #frames: FrameRecorder;
  readonly #asked: AskedOfUs;
  readonly #end = new AbortController();
  readonly #endpoint = Promise.withResolvers<URL>();
  #version: string | undefined;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#frames = options.frames;
    this.#asked = new AskedOfUs(options.onFlood);
    this.#fetch = bounded(options.fetch, options.timings, options);
    this.#endpoint.promise.catch(() => {});
  }

  /** Resolves when the server has named the address for messages. */
  async start(): Promise<void> {
    const { url, timings } = this.#options;
    const response = await this.#fetch(url, { headers: this.#headers({ accept: "text/event-stream" }), signal: this.#end.signal });
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || response.body === null || !type.startsWith("text/event-stream")) {
      await response.text().catch(() => "");
      throw new SdkHttpError(SdkErrorCode.ClientHttpFailedToOpenStream, `The stream of events was not opened: HTTP ${response.status}`, {
        status: response.status,
        statusText: response.statusText,
      });
    }
    void this.#read(response.body);
    const late = setTimeout(() => this.#lose(silent(timings.handshakeMs)), timings.handshakeMs).unref();
    await this.#endpoint.promise.finally(() => clearTimeout(late));
  }

  send(message: JSONRPCMessage): Promise<void> {
    return this.#asked.send(message, () => this.#post(message));
  }

  async #post(message: JSONRPCMessage): Promise<void> {
    if (this.#end.signal.aborted) throw new SdkError(SdkErrorCode.ConnectionClosed, "The server's stream of events has ended.");
    this.#frames.sent(message, JSON.stringify(message));
    const response = await this.#fetch(await this.#endpoint.promise, {
      method: "POST",
      headers: this.#headers({ "content-type": "application/json" }),
      body: serializeMessage(message),
      signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(this.#options.timings.httpHeadersMs)]),
    });
    const text = await response.text();
    if (response.ok) return;
    const { status, statusText } = response;
    throw new SdkHttpError(SdkErrorCode.ClientHttpNotImplemented, `The message was not taken: HTTP ${status}`, {
      status,
      statusText,
      text,
    });
  }

  async close(): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#endpoint.reject(new SdkError(SdkErrorCode.ConnectionClosed, "The connection was closed."));
    this.onclose?.();
  }

  setProtocolVersion(version: string): void {
    this.#version = version;
  }

  #headers(own: Record<string, string>): Record<string, string> {
    const { headers } = this.#options;
    return this.#version === undefined ? { ...headers, ...own } : { ...headers, "mcp-protocol-version": this.#version, ...own };
  }

  async #read(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    try {
      for await (const { event, data } of body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) {
        if (event === "endpoint") this.#named(data);
        else if (event === undefined || event === "message") this.#receive(data);
      }
      this.#lose(new SdkError(SdkErrorCode.ConnectionClosed, "The server ended its stream of events."));
    } catch (error) {
      this.#lose(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Messages may hold secrets: they go nowhere but to the server that was registered. */
  #named(where: string): void {
    const { url } = this.#options;
    const endpoint = URL.parse(where, url);
    if (endpoint !== null && endpoint.origin === new URL(url).origin) return this.#endpoint.resolve(endpoint);
    const elsewhere = endpoint?.origin ?? "an address that cannot be read";
    const message = `The server wants messages at ${elsewhere}, which is not where it was registered.`;
    this.#lose(new ConnectionFailure("mcp_redirect_refused", message));
  }

  #receive(data: string): void {
    const message = parseMessage(data);
    const content: unknown = message;
    const isMessage = message !== undefined && !answersNothing(message);
    if (!isMessage || !isJson(content)) {
      const instead = isMessage ? insteadOfDeep(message) : undefined;
      if (instead) this.onmessage?.(instead);
      this.onerror?.(new ConnectionFailure("mcp_output_invalid", "The server sent an event that is no message."));
      return;
    }
    if (!this.#asked.lets(message)) return;
    this.#frames.received(message, JSON.stringify(message));
    this.onmessage?.(message);
  }

  #lose(error: Error): void {
    if (this.#end.signal.aborted) return;
    this.#endpoint.reject(error);
    this.onerror?.(error);
    this.#options.onFatal?.(error);
    void this.close();
  }
}

const silent = (ms: number): ConnectionFailure =>
  new ConnectionFailure("mcp_no_handshake", `The stream of events was opened, but named no address for messages within ${ms} ms.`, {
    retryable: true,
    likelyCause: "The address streams events of something else than MCP.",
    remedy: "Correct the path of the address: servers of this kind often answer at `/sse`.",
  });

import { setTimeout as sleep } from "node:timers/promises";
import {
  StreamableHTTPClientTransport,
  type JSONRPCMessage,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/client";
import { AppError } from "#server/kernel/errors.ts";
import type { Timings } from "../supervision/timings.ts";
import { AskedOfUs } from "./asked-of-us.ts";
import { answersNothing } from "./answer-ids.ts";
import { AnswerBroken } from "./error-causes.ts";
import { failedAnswer, insteadOfDeep } from "./failed-answer.ts";
import type { FrameRecorder } from "./frames.ts";
import { bounded, paced } from "./http-bounds.ts";
import { isJson } from "./json-value.ts";

export type HttpTransportOptions = {
  url: string;
  headers: Readonly<Record<string, string>>;
  /** The guarded one: it checks each socket where it connects. */
  fetch: typeof globalThis.fetch;
  frames: FrameRecorder;
  timings: Timings;
  /** So many notifications came too fast. */
  onFlood: (count: number) => void;
  /** Why this side gave the conversation up, for transports that can tell. */
  onFatal?: (error: Error) => void;
};

/** How long the end waits for the server to hear of it. */
const FAREWELL_MS = 1_000;
/** A stream is given up later than a server that does not answer pings: what it tells without being asked must not be lost before. */
const RECONNECTION = { initialReconnectionDelay: 1_000, maxReconnectionDelay: 30_000, reconnectionDelayGrowFactor: 1.5, maxRetries: 10 };

/** Streamable HTTP with every message recorded and every answer bounded. */
export class HttpTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  /** Each request has its own stream, whose end is the cancellation in the 2026 era. */
  readonly hasPerRequestStream = true;
  readonly #inner: StreamableHTTPClientTransport;
  readonly #frames: FrameRecorder;
  readonly #asked: AskedOfUs;
  readonly #noticeMs: number;
  /** Requests that wait for their answer: their stream ends when they are given up. */
  readonly #open = new Map<string | number, AbortController>();
  /** Requests whose answer has not come yet. */
  readonly #unanswered = new Set<string | number>();
  /** Why the stream breaks that is about to, where we cut it off; and that one has broken just now. */
  #cut: Error | undefined;
  #broken: Error | undefined;

  constructor({ url, headers, fetch, frames, timings, onFlood }: HttpTransportOptions) {
    this.#frames = frames;
    this.#asked = new AskedOfUs(onFlood);
    this.#noticeMs = timings.httpHeadersMs;
    this.#inner = new StreamableHTTPClientTransport(new URL(url), {
      fetch: bounded(fetch, timings, { onCut: (why) => void (this.#cut = why), onFlood }),
      requestInit: { headers: { ...headers } },
      onInsufficientScope: "throw",
      reconnectionScheduler: paced(timings.reconnectFloorMs),
      reconnectionOptions: RECONNECTION,
    });
    this.#inner.onclose = () => this.onclose?.();
    this.#inner.onerror = (error) => {
      this.#broken = this.#cut ?? new AnswerBroken();
      this.#cut = undefined;
      queueMicrotask(() => void (this.#broken = undefined));
      this.onerror?.(error);
    };
    this.#inner.onmessage = (message: JSONRPCMessage) => this.#receive(message);
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  start(): Promise<void> {
    return this.#inner.start();
  }

  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    return this.#asked.send(message, () => this.#post(message, options));
  }

  async #post(message: JSONRPCMessage, options: TransportSendOptions | undefined): Promise<void> {
    this.#frames.sent(message, JSON.stringify(message));
    const requestSignal = options?.requestSignal ?? this.#deadline(message);
    const id = "method" in message && "id" in message ? message.id : undefined;
    const onRequestStreamEnd = (): void => this.#answerMissing(id);
    const forget = (): void => {
      if (id === undefined) return;
      this.#unanswered.delete(id);
      this.#open.delete(id);
    };
    if (id !== undefined) {
      this.#unanswered.add(id);
      requestSignal.addEventListener("abort", forget, { once: true });
    }
    try {
      await this.#inner.send(message, { onRequestStreamEnd, ...options, requestSignal });
    } catch (error) {
      forget();
      throw error;
    } finally {
      this.#giveUp(message);
    }
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

  /** A request has the deadline of whoever asks, who says so by cancelling it; a notice needs no more than its headers. */
  #deadline(message: JSONRPCMessage): AbortSignal {
    if (!("method" in message && "id" in message)) return AbortSignal.timeout(this.#noticeMs);
    const request = new AbortController();
    this.#open.set(message.id, request);
    return request.signal;
  }

  #giveUp(message: JSONRPCMessage): void {
    if (!("method" in message) || message.method !== "notifications/cancelled") return;
    const id = message.params?.["requestId"];
    if (typeof id !== "string" && typeof id !== "number") return;
    this.#open.get(id)?.abort();
    this.#open.delete(id);
  }

  /** The stream that was to bring the answer is over. */
  #answerMissing(id: string | number | undefined): void {
    if (id === undefined || !this.#unanswered.delete(id)) return;
    this.#open.delete(id);
    const why = this.#broken ?? new AppError("mcp_protocol_error", "The server ended its answer before there was a result in it.");
    this.onmessage?.(failedAnswer(id, why));
  }

  #receive(message: JSONRPCMessage): void {
    const content: unknown = message;
    if (!("method" in message) && message.id !== undefined) {
      this.#open.delete(message.id);
      this.#unanswered.delete(message.id);
    }
    if (answersNothing(message)) return;
    if (!isJson(content)) {
      const instead = insteadOfDeep(message);
      if (instead) this.onmessage?.(instead);
      else this.onerror?.(new AppError("mcp_protocol_error", "The server sent a message that is nested too deep."));
      return;
    }
    if (!this.#asked.lets(message)) return;
    this.#frames.received(message, JSON.stringify(message));
    this.onmessage?.(message);
  }
}

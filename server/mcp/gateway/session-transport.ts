import {
  ProtocolErrorCode,
  SdkError,
  SdkErrorCode,
  isJSONRPCRequest,
  type JSONRPCMessage,
  type JSONRPCNotification,
  type JSONRPCRequest,
  type RequestId,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/server";
import type { McpAnswer } from "#server/kernel/mcp-endpoint.ts";
import { DISCONNECTED } from "./disconnected.ts";
import { Exchange } from "./exchange.ts";
import type { Incoming } from "./messages.ts";
import type { Served } from "./protocol-server.ts";
import type { SessionCalls } from "./session-calls.ts";

/** Streams on which a session can hear what belongs to no request. */
const LISTENERS = 4;

/**
 * One session of the 2025 era over plain HTTP. Each request is answered on its own connection; what belongs to no request
 * goes to the streams that the client has opened for it. Streams are not resumable: a client that goes away mid-call has
 * nothing to come back to, so its call is cancelled.
 */
export class SessionTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  readonly sessionId: string;
  readonly #served: Pick<Served, "calls" | "frames" | "plain">;
  readonly #open = new Map<RequestId, Exchange>();
  readonly #listening = new Set<Exchange>();
  #isClosed = false;

  constructor(sessionId: string, served: Pick<Served, "calls" | "frames" | "plain">) {
    this.sessionId = sessionId;
    this.#served = served;
  }

  /** Answers under way, and open streams. */
  get openCount(): number {
    return this.#open.size + this.#listening.size;
  }

  isOpen(id: RequestId): boolean {
    return this.#open.has(id);
  }

  async start(): Promise<void> {}

  receive(incoming: Incoming, answer: McpAnswer): void {
    const { kind, message } = incoming;
    // Whoever has gone already cannot be heard to go.
    if (kind === "request" && answer.raw.destroyed) return;
    if (kind === "request") this.#wait(message.id, answer);
    if (kind === "notification" && message.method === "notifications/cancelled") this.#onCancel(message.params);
    this.#served.frames.received(message, JSON.stringify(message));
    const { calls } = this.#served;
    if (kind === "request" && message.method === "tools/call" && calls !== undefined)
      this.#call(calls, message).catch((error: unknown) => this.#fail(message.id, error));
    // The SDK drops what is no request to it, and nobody would ever be answered.
    else if (kind === "request" && !isForSdk(message))
      this.send({ jsonrpc: "2.0", id: message.id, error: NOT_A_REQUEST }).catch((error: unknown) => this.#fail(message.id, error));
    else this.onmessage?.(message);
  }

  /** A stream for what belongs to no request. */
  listen(answer: McpAnswer): void {
    if (answer.raw.destroyed) return;
    const exchange = new Exchange(answer);
    const [oldest] = this.#listening;
    if (oldest !== undefined && this.#listening.size >= LISTENERS) this.#endListening(oldest);
    this.#listening.add(exchange);
    answer.raw.once("close", () => this.#listening.delete(exchange));
    exchange.stream();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (this.#isClosed) throw new SdkError(SdkErrorCode.ConnectionClosed, "The session has ended.");
    const related = isAnswer(message) ? message.id : options?.relatedRequestId;
    const exchange = related === undefined ? [...this.#listening].at(-1) : this.#open.get(related);
    // A request that nobody can hear would never be answered.
    if (exchange === undefined && "method" in message && "id" in message)
      throw new SdkError(SdkErrorCode.NotConnected, "The client does not listen.");
    if (exchange === undefined) return;
    const text = JSON.stringify(this.#served.plain(message));
    this.#served.frames.sent(message, text);
    if (!isAnswer(message)) return exchange.tell(text);
    this.#open.delete(message.id);
    exchange.finish(text);
  }

  /** Keeps quiet connections open. */
  beat(): void {
    for (const exchange of this.#open.values()) exchange.beat();
    for (const exchange of this.#listening) exchange.beat();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const exchange of [...this.#open.values(), ...this.#listening]) exchange.finish();
    this.#open.clear();
    this.#listening.clear();
    this.#served.calls?.close();
    this.onclose?.();
  }

  async #call(calls: SessionCalls, request: JSONRPCRequest): Promise<void> {
    const { id } = request;
    const answer = await calls.answer(request, (told) => this.send({ jsonrpc: "2.0", ...told }, { relatedRequestId: id }));
    if (answer !== undefined && !this.#isClosed) await this.send(answer);
  }

  /** An answer that cannot be written: the connection is over, so that nobody waits for it. */
  #fail(id: RequestId, error: unknown): void {
    const exchange = this.#open.get(id);
    this.#open.delete(id);
    exchange?.finish();
    this.onerror?.(error instanceof Error ? error : new Error(String(error)));
  }

  #wait(id: RequestId, answer: McpAnswer): void {
    const exchange = new Exchange(answer);
    this.#open.set(id, exchange);
    answer.raw.once("close", () => {
      if (this.#open.get(id) !== exchange) return;
      this.#open.delete(id);
      this.#leave(id);
    });
  }

  /** Nobody waits for the answer any more: told to whoever works on it as if the client had said so. */
  #leave(id: RequestId): void {
    const params = { requestId: id, reason: DISCONNECTED };
    const left: JSONRPCNotification = { jsonrpc: "2.0", method: "notifications/cancelled", params };
    this.#served.frames.received(left, JSON.stringify(left));
    this.#served.calls?.cancel(id, DISCONNECTED);
    this.onmessage?.(left);
  }

  /** A cancelled request gets no answer; only its connection is ended. */
  #onCancel(params: Readonly<Record<string, unknown>> | undefined): void {
    const id = params?.["requestId"];
    if (typeof id !== "string" && typeof id !== "number") return;
    const exchange = this.#open.get(id);
    this.#open.delete(id);
    exchange?.finish();
    const reason = params?.["reason"];
    this.#served.calls?.cancel(id, typeof reason === "string" ? reason : "The client has cancelled the request.");
  }

  #endListening(exchange: Exchange): void {
    this.#listening.delete(exchange);
    exchange.finish();
  }
}

const isForSdk = (message: JSONRPCRequest): boolean => isJSONRPCRequest(message);

const NOT_A_REQUEST = {
  code: ProtocolErrorCode.InvalidParams,
  message: "Invalid request: expected `_meta` to be an object, and its `progressToken` a string or an integer.",
};

const isAnswer = (message: JSONRPCMessage): message is Exclude<JSONRPCMessage, { method: string }> & { id: RequestId } =>
  !("method" in message) && message.id !== undefined;

import {
  SdkError,
  SdkErrorCode,
  type JSONRPCMessage,
  type RequestId,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/server";
import { DISCONNECTED } from "./disconnected.ts";
import type { McpAnswer } from "#server/kernel/mcp-endpoint.ts";
import { Exchange } from "./exchange.ts";
import type { Incoming } from "./messages.ts";

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
  readonly #open = new Map<RequestId, Exchange>();
  readonly #listening = new Set<Exchange>();
  #isClosed = false;

  constructor(sessionId: string) {
    this.sessionId = sessionId;
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
    if (incoming.kind === "request") this.#wait(incoming.message.id, answer);
    if (incoming.kind === "notification" && incoming.message.method === "notifications/cancelled") this.#onCancel(incoming.message.params);
    this.onmessage?.(incoming.message);
  }

  /** A stream for what belongs to no request. */
  listen(answer: McpAnswer): void {
    const exchange = new Exchange(answer);
    const [oldest] = this.#listening;
    if (oldest !== undefined && this.#listening.size >= LISTENERS) this.#endListening(oldest);
    this.#listening.add(exchange);
    answer.raw.once("close", () => this.#listening.delete(exchange));
    exchange.stream();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (this.#isClosed) throw new SdkError(SdkErrorCode.ConnectionClosed, "The session has ended.");
    if (isAnswer(message)) {
      const exchange = this.#open.get(message.id);
      this.#open.delete(message.id);
      return exchange?.finish(message);
    }
    const related = options?.relatedRequestId;
    const exchange = related === undefined ? [...this.#listening].at(-1) : this.#open.get(related);
    // A request that nobody can hear would never be answered.
    if (exchange === undefined && "id" in message) throw new SdkError(SdkErrorCode.NotConnected, "The client does not listen.");
    if (exchange === undefined) return;
    exchange.tell(message);
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
    this.onclose?.();
  }

  #wait(id: RequestId, answer: McpAnswer): void {
    const exchange = new Exchange(answer);
    this.#open.set(id, exchange);
    answer.raw.once("close", () => {
      if (this.#open.get(id) !== exchange) return;
      this.#open.delete(id);
      this.onmessage?.({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id, reason: DISCONNECTED } });
    });
  }

  /** A cancelled request gets no answer; only its connection is ended. */
  #onCancel(params: Readonly<Record<string, unknown>> | undefined): void {
    const id = params?.["requestId"];
    if (typeof id !== "string" && typeof id !== "number") return;
    const exchange = this.#open.get(id);
    this.#open.delete(id);
    exchange?.finish();
  }

  #endListening(exchange: Exchange): void {
    this.#listening.delete(exchange);
    exchange.finish();
  }
}

const isAnswer = (message: JSONRPCMessage): message is Exclude<JSONRPCMessage, { method: string }> & { id: RequestId } =>
  !("method" in message) && message.id !== undefined;

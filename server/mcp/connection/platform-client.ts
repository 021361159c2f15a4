import {
  Client,
  LOG_LEVEL_META_KEY,
  isSpecType,
  type JSONRPCNotification,
  type LoggingLevel,
  type MessageExtraInfo,
  type RequestOptions,
} from "@modelcontextprotocol/client";
import { OpenCall, currentCall, inCall, type CallOptions } from "./open-call.ts";

/** So long after it was given up, a request may still be what the server's next question is about. */
const AFTERMATH_MS = 10_000;

/** Who wants to hear of changed lists. */
function listeners<T>() {
  const all = new Set<(value: T) => void>();
  return {
    listen(listener: (value: T) => void): () => void {
      all.add(listener);
      return () => void all.delete(listener);
    },
    changed(value: T): void {
      for (const listener of all) listener(value);
    },
  };
}

/** An SDK client that knows its open requests, so that what the server asks can be told to belong to one of them. */
export class PlatformClient extends Client {
  readonly lists = listeners<"tools" | "resources" | "prompts">();
  readonly #open = new Set<OpenCall>();
  readonly #progress = new Map<unknown, OpenCall>();
  #calls = 0;
  #logLevel: LoggingLevel | undefined;

  /** `meta` belongs into the request's parameters. */
  async talk<T>(given: CallOptions, send: (options: RequestOptions, meta: OpenCall["meta"]) => Promise<T>): Promise<T> {
    const token = `${(this.#calls += 1)}`;
    const call = new OpenCall(given, token);
    this.#open.add(call);
    if (call.meta !== undefined) this.#progress.set(token, call);
    try {
      return await inCall(call, () => send(call.options, call.meta));
    } finally {
      call.end();
      this.#progress.delete(token);
      if (call.isGivenUp) setTimeout(() => this.#open.delete(call), AFTERMATH_MS).unref();
      else this.#open.delete(call);
    }
  }

  /**
   * The request that something which the server sends now belongs to: the one whose response stream it came on, else the only
   * one that is open. Undefined when it could be another caller's.
   */
  callBehind(): OpenCall | undefined {
    const related = currentCall();
    if (related !== undefined) return this.#open.has(related) ? related : undefined;
    const [only, another] = this.#open;
    return another === undefined ? only : undefined;
  }

  /** In the 2025 era the server is told once; later each request carries the level. */
  async setLogLevel(level: LoggingLevel, options: RequestOptions): Promise<void> {
    if (this.getProtocolEra() === "modern") this.#logLevel = level;
    else await this.setLoggingLevel(level, options);
  }

  /** Progress is told at once: the SDK would let an answer overtake the last step before it. */
  protected override _onnotification(notification: JSONRPCNotification, extra?: MessageExtraInfo): void {
    if (notification.method !== "notifications/progress") return super._onnotification(notification, extra);
    const call = this.#progress.get(notification.params?.["progressToken"]);
    if (call !== undefined && isSpecType.ProgressNotification(notification)) call.onProgress(notification.params);
  }

  protected override _outboundMetaEnvelope(): Readonly<Record<string, unknown>> | undefined {
    const envelope = super._outboundMetaEnvelope();
    return envelope === undefined || this.#logLevel === undefined ? envelope : { ...envelope, [LOG_LEVEL_META_KEY]: this.#logLevel };
  }
}

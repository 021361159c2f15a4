import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { coalesce } from "./coalesce.ts";
import { perSecond } from "./per-second.ts";

/** A server may have so many requests open at once, and make so many in a second. */
const MOST_OPEN = 1_000;
export const REQUESTS_PER_SECOND = 1_000;
/** Over HTTP each answer has a socket until the server takes it. */
const ANSWERS_AT_ONCE = 64;
const DROPPED_MS = 5_000;

/**
 * The requests of a server that have no answer yet. Each answer costs memory, and over HTTP a socket, until the server takes it: one that
 * asks and asks must not be the end of everybody else.
 */
export class AskedOfUs {
  readonly #open = new Set<unknown>();
  readonly #mayAsk = perSecond(REQUESTS_PER_SECOND);
  readonly #drops = coalesce(DROPPED_MS);
  readonly #turns: (() => void)[] = [];
  #answering = 0;
  #dropped = 0;

  /** `onDropped`: so many were left out since it was last said. */
  constructor(onDropped: (count: number) => void) {
    this.#drops.listen(() => {
      onDropped(this.#dropped);
      this.#dropped = 0;
    });
  }

  /** Whether a message goes on to whoever it is for: not a request beyond the limits, nor one under the id of another that is open. */
  lets(message: JSONRPCMessage): boolean {
    if (!("method" in message)) return true;
    if (!("id" in message)) {
      // To what a server takes back there is no answer.
      if (message.method === "notifications/cancelled") this.#open.delete(message.params?.["requestId"]);
      return true;
    }
    if (this.#open.size < MOST_OPEN && !this.#open.has(message.id) && this.#mayAsk()) {
      this.#open.add(message.id);
      return true;
    }
    this.#dropped += 1;
    this.#drops.tell();
    return false;
  }

  /** Our message has been taken, or never will be. */
  sent(message: JSONRPCMessage): void {
    if (!("method" in message)) this.#open.delete(message.id);
  }

  /** Sends a message; answers take turns. */
  async send(message: JSONRPCMessage, send: () => Promise<void>): Promise<void> {
    if ("method" in message) return send();
    if (this.#answering < ANSWERS_AT_ONCE) this.#answering += 1;
    else await new Promise<void>((resolve) => this.#turns.push(resolve));
    try {
      await send();
    } finally {
      this.sent(message);
      const next = this.#turns.shift();
      if (next === undefined) this.#answering -= 1;
      else next();
    }
  }
}

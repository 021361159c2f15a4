import type { McpAnswer } from "#server/kernel/mcp-endpoint.ts";

/** What a reader may leave unread before it is let go. */
const UNREAD_BYTES = 8 * 1024 * 1024;

/** Writes to a stream. A reader is let go for what it has left unread until now: a single message may be longer than that. */
export function write({ raw }: Pick<McpAnswer, "raw">, bytes: string | Uint8Array): void {
  if (raw.writableLength > UNREAD_BYTES) raw.destroy();
  else raw.write(bytes);
}

export const sendJson = (answer: McpAnswer, status: number, body: unknown): void => sendText(answer, status, JSON.stringify(body));

function sendText({ raw, headers }: McpAnswer, status: number, text: string): void {
  raw
    .writeHead(status, { ...headers, "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(text) })
    .end(text);
}

export function sendNothing({ raw, headers }: McpAnswer, status: number): void {
  raw.writeHead(status, { ...headers, "content-length": 0 }).end();
}

/**
 * The answer to one request: a document, unless there is something to tell before the result, or the result keeps the
 * client waiting; then an event stream, which ends with the result.
 */
export class Exchange {
  readonly #answer: McpAnswer;
  #isStream = false;
  #beats = 0;

  constructor(answer: McpAnswer) {
    this.#answer = answer;
  }

  get isOver(): boolean {
    return this.#answer.raw.writableEnded || this.#answer.raw.destroyed;
  }

  /** Begins the stream. */
  stream(): void {
    if (this.#isStream || this.isOver) return;
    this.#isStream = true;
    this.#answer.raw.writeHead(200, {
      ...this.#answer.headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      // Nginx and its relatives would collect the events otherwise.
      "x-accel-buffering": "no",
    });
    this.#answer.raw.flushHeaders();
  }

  /** One message, as JSON. */
  tell(message: string): void {
    if (this.isOver) return;
    this.stream();
    write(this.#answer, eventOf(message));
  }

  /** The last message, as JSON, if there is one. */
  finish(message?: string): void {
    if (this.isOver) return;
    if (message !== undefined && !this.#isStream) return sendText(this.#answer, 200, message);
    this.stream();
    if (message !== undefined) write(this.#answer, eventOf(message));
    this.#answer.raw.end();
  }

  /** Called now and then: keeps a quiet connection from being closed by somebody in between. */
  beat(): void {
    this.#beats += 1;
    if (this.isOver || this.#beats < 2) return;
    this.stream();
    write(this.#answer, ": still here\n\n");
  }
}

const eventOf = (message: string): string => `event: message\ndata: ${message}\n\n`;

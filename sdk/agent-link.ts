import { WebSocket, type RawData } from "ws";
import { ToAgent, type FromAgent } from "#contract/agent-socket.ts";
import { LIMITS } from "#contract/limits.ts";

const RETRY_MS = 250;
const RETRY_MAX_MS = 15_000;
/** The platform pings every 10 s. */
const SILENCE_MS = 35_000;
/** Malformed, unauthorised, too big: the same greeting would be refused again. */
const REFUSALS = new Set([4400, 4401, 1009]);

export type LinkOptions = {
  url: string;
  token: string;
  hello: FromAgent;
  onWelcome: (name: string) => void;
  onFrame: (frame: ToAgent) => void;
  onLost: (reason: string) => void;
  /** For good: the link connects no more. */
  onRefused: (reason: string) => void;
};

/** The connection to one process of the platform, made again whenever it breaks until it is closed or refused. */
export class AgentLink {
  readonly #options: LinkOptions;
  #socket: WebSocket | undefined;
  #isOpen = false;
  #isClosed = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  connect(): void {
    const socket = new WebSocket(socketAddress(this.#options.url), {
      headers: { authorization: `Bearer ${this.#options.token}` },
      maxPayload: LIMITS.socketMessageBytes,
      handshakeTimeout: 10_000,
    });
    this.#socket = socket;
    let refusal: string | undefined;
    let reason = "";
    socket.on("open", () => {
      socket.send(JSON.stringify(this.#options.hello));
      this.#heard();
    });
    socket.on("message", (data) => this.#receive(data));
    socket.on("ping", () => this.#heard());
    socket.on("error", (error) => void (reason ||= error.message));
    socket.on("unexpected-response", (_request, response) => {
      reason = `the platform answered with HTTP ${response.statusCode}`;
      if (response.statusCode === 401 || response.statusCode === 403) refusal = reason;
      socket.terminate();
    });
    socket.on("close", (code, why) => {
      const text = why.toString() || reason || `code ${code}`;
      this.#lost(REFUSALS.has(code) ? text : refusal, text);
    });
  }

  /** What cannot be sent now is not sent: the platform asks again when the connection is back. */
  send(frame: FromAgent): void {
    if (this.#isOpen && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
    socket.close(1000, "the agent stops");
    const force = setTimeout(() => socket.terminate(), 2_000);
    await closed;
    clearTimeout(force);
  }

  #receive(data: RawData): void {
    this.#heard();
    const frame = parseFrame(data);
    if (frame === undefined) return;
    if (frame.type !== "welcome") return this.#options.onFrame(frame);
    this.#isOpen = true;
    this.#failures = 0;
    this.#options.onWelcome(frame.name);
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.terminate(), SILENCE_MS);
    this.#silence.unref();
  }

  #lost(refusal: string | undefined, reason: string): void {
    clearTimeout(this.#silence);
    this.#isOpen = false;
    this.#options.onLost(reason);
    if (this.#isClosed) return;
    if (refusal !== undefined) {
      this.#isClosed = true;
      this.#options.onRefused(refusal);
      return;
    }
    const wait = Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MAX_MS);
    this.#failures = Math.min(this.#failures + 1, 10);
    // Many agents that lose their platform at once must not come back at once.
    this.#timer = setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2));
  }
}

/** `http(s)` becomes `ws(s)`; an address without a path means `/ws/agents`. */
function socketAddress(address: string): URL {
  const url = new URL(address);
  url.protocol = url.protocol.replace("http", "ws");
  if (url.pathname === "/") url.pathname = "/ws/agents";
  return url;
}

function parseFrame(data: RawData): ToAgent | undefined {
  const text = Array.isArray(data)
    ? Buffer.concat(data).toString("utf8")
    : Buffer.isBuffer(data)
      ? data.toString("utf8")
      : Buffer.from(data).toString("utf8");
  try {
    return ToAgent.parse(JSON.parse(text));
  } catch {
    // A newer platform may say things that this version does not know.
    return undefined;
  }
}

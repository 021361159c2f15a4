import { WebSocket, type RawData } from "ws";
import { AGENT_PROTOCOL, ToAgent, type FromAgent } from "#contract/agent-socket.ts";
import { LIMITS } from "#contract/limits.ts";
import { SkillRunner } from "./skill-runner.ts";
import type { AgentSkill } from "./skills.ts";

export { RetryableError, jsonSchema, skill, type AgentSkill, type SkillContext } from "./skills.ts";

export type AgentOptions = {
  /** Shown in this process's own messages; the platform knows the agent by its token. */
  name: string;
  version: string;
  skills: Readonly<Record<string, AgentSkill>>;
  /** Address of the platform, for example `http://127.0.0.1:4600`. */
  url: string;
  token: string;
  /** How many pieces of work to take at once; 8 unless given. */
  concurrency?: number;
  /** Told about connections and their losses. */
  onStatus?: (status: { connected: boolean; reason: string }) => void;
};

export type RunningAgent = {
  /** Resolves once the platform has welcomed the agent; rejects when it refuses it. */
  start(): Promise<void>;
  /** Cancels what is under way and closes the connection. */
  stop(): Promise<void>;
  /** Resolves after `stop`; rejects when the platform refuses the agent for good, which ends the reconnecting. */
  readonly ended: Promise<void>;
};

const RETRY_MS = 250;
const RETRY_MAX_MS = 15_000;
/** The platform pings every 10 s. */
const SILENCE_MS = 35_000;
/** Malformed, unauthorised, too big: the same greeting would be refused again. */
const REFUSALS = new Set([4400, 4401, 1009]);

/** An agent of this process: connects to the platform, reconnects whenever the connection breaks, and answers until it is stopped. */
export function defineAgent(options: AgentOptions): RunningAgent {
  return new AgentProcess(options);
}

class AgentProcess implements RunningAgent {
  readonly ended: Promise<void>;
  readonly #options: AgentOptions;
  readonly #runner: SkillRunner;
  readonly #instance = crypto.randomUUID();
  readonly #welcomed = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();
  #socket: WebSocket | undefined;
  #isOpen = false;
  #failures = 0;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.ended = this.#over.promise;
    // Whoever waits hears of a refusal; nobody has to.
    this.ended.catch(() => undefined);
    this.#welcomed.promise.catch(() => undefined);
    this.#runner = new SkillRunner({ skills: new Map(Object.entries(options.skills)), send: (frame) => this.#send(frame) });
  }

  start(): Promise<void> {
    if (!this.#socket && !this.#isStopped) this.#connect();
    return this.#welcomed.promise;
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return this.ended.catch(() => undefined);
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#runner.cancelAll("The agent is stopping.");
    this.#welcomed.reject(new Error("The agent was stopped."));
    const socket = this.#socket;
    if (socket && socket.readyState !== WebSocket.CLOSED) {
      const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
      socket.close(1000, "the agent stops");
      const force = setTimeout(() => socket.terminate(), 2_000);
      await closed;
      clearTimeout(force);
    }
    return this.#over.resolve();
  }

  #connect(): void {
    const address = socketAddress(this.#options.url);
    const socket = new WebSocket(address, {
      headers: { authorization: `Bearer ${this.#options.token}` },
      maxPayload: LIMITS.socketMessageBytes,
      handshakeTimeout: 10_000,
    });
    this.#socket = socket;
    let refusal: string | undefined;
    let reason = "";
    socket.on("open", () => this.#greet(socket));
    socket.on("message", (data) => this.#receive(data));
    socket.on("ping", () => this.#heard());
    socket.on("error", (error) => void (reason = error.message));
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

  #greet(socket: WebSocket): void {
    const { version, skills, concurrency = 8 } = this.#options;
    const announced = Object.entries(skills).map(([name, { announced }]) => ({ name, ...announced }));
    const hello: FromAgent = { type: "hello", protocol: AGENT_PROTOCOL, version, instance: this.#instance, skills: announced, concurrency };
    socket.send(JSON.stringify(hello));
    this.#heard();
  }

  #receive(data: RawData): void {
    this.#heard();
    const frame = parseFrame(data);
    if (frame?.type === "welcome") {
      this.#isOpen = true;
      this.#failures = 0;
      this.#options.onStatus?.({ connected: true, reason: `welcomed as ${frame.name}` });
      this.#welcomed.resolve();
    } else if (frame?.type === "invoke") this.#runner.invoke(frame);
    else if (frame?.type === "cancel") this.#runner.cancel(frame.id, frame.reason);
  }

  /** Answers that cannot be sent now stay in memory until the platform asks again. */
  #send(frame: FromAgent): void {
    if (this.#isOpen && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.terminate(), SILENCE_MS);
    this.#silence.unref();
  }

  #lost(refusal: string | undefined, reason: string): void {
    clearTimeout(this.#silence);
    this.#isOpen = false;
    this.#options.onStatus?.({ connected: false, reason });
    if (this.#isStopped) return;
    if (refusal !== undefined) return this.#refused(refusal);
    const wait = Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MAX_MS);
    this.#failures = Math.min(this.#failures + 1, 10);
    // Many agents that lose their platform at once must not come back at once.
    this.#timer = setTimeout(() => this.#connect(), wait * (0.5 + Math.random() / 2));
  }

  #refused(reason: string): void {
    this.#isStopped = true;
    const error = new Error(`The platform refuses the agent ${this.#options.name}: ${reason}`);
    this.#runner.cancelAll(error.message);
    this.#welcomed.reject(error);
    this.#over.reject(error);
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

import type { RawData, WebSocket } from "ws";
import type { z } from "zod";
import { type AgentHello, FromAgent, type ToAgent } from "#contract/agent-socket.ts";
import { LIMITS } from "#contract/limits.ts";
import type { Json } from "#contract/common.ts";
import { parseJson } from "#contract/parse-json.ts";
import type { Log } from "#server/kernel/log.ts";
import { isStorable } from "../agent.ts";
import type { AgentLine, AgentPool } from "./agent-pool.ts";

/** Who is at the other end of a socket, after its token was checked. */
export type AgentPrincipal = { readonly tenantId: string; readonly agentId: string; readonly tokenId: string; readonly name: string };
export type Hello = z.infer<typeof AgentHello>;
type Options = {
  id: string;
  principal: AgentPrincipal;
  socket: WebSocket;
  heartbeatMs: number;
  log: Log;
  /** Records the connection; false when the agent may not connect any more. */
  join(hello: Hello): Promise<boolean>;
  pool(): AgentPool;
  /** Called once, when the connection is over. */
  left(wasOpen: boolean): void;
};

const CLOSE_MALFORMED = 4400;
const CLOSE_UNAUTHORISED = 4401;
const CLOSE_TOO_BIG = 1009;
const CLOSE_INTERNAL = 1011;
const HELLO_MS = 10_000;

/**
 * One socket of a custom agent: greeting (waits for `hello`) → joining (being recorded) → open → closed. A frame that does
 * not fit the protocol or its state closes the socket with 4400 and the reason.
 */
export class AgentConnection implements AgentLine {
  readonly id: string;
  readonly principal: AgentPrincipal;
  readonly #options: Options;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #greeting: NodeJS.Timeout;
  #state: "greeting" | "joining" | "open" | "closed" = "greeting";
  #hello: Hello | undefined;
  #heardSincePing = true;

  constructor(options: Options) {
    this.#options = options;
    this.id = options.id;
    this.principal = options.principal;
    const { socket, heartbeatMs } = options;
    socket.on("message", (data: RawData, isBinary: boolean) => this.#receive(data, isBinary));
    socket.on("pong", () => void (this.#heardSincePing = true));
    socket.on("error", (error) => options.log.debug("agent socket error", { reason: error.message }));
    socket.on("close", () => this.#end());
    this.#heartbeat = setInterval(() => this.#ping(), heartbeatMs);
    this.#greeting = setTimeout(() => this.close(CLOSE_MALFORMED, "expected a hello frame within 10 s"), HELLO_MS);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }
  get instance(): string | undefined {
    return this.#hello?.instance;
  }
  get concurrency(): number {
    return this.#hello?.concurrency ?? 1;
  }

  send(frame: ToAgent): void {
    if (this.#options.socket.readyState === this.#options.socket.OPEN) this.#options.socket.send(JSON.stringify(frame));
  }

  /** Counts as closed from now on, whether or not the other side answers. A reason has at most 123 bytes on the wire. */
  close(code: number, reason: string): void {
    this.#options.socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 120)
        .toString("utf8")
        .replace(/\uFFFD+$/, ""),
    );
    this.#end();
  }

  #end(): void {
    if (this.#state === "closed") return;
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    clearInterval(this.#heartbeat);
    clearTimeout(this.#greeting);
    if (wasOpen) this.#options.pool().leave(this);
    this.#options.left(wasOpen);
  }

  #ping(): void {
    if (!this.#heardSincePing) {
      this.#options.log.info("agent does not answer pings; its connection is dropped");
      this.#options.socket.terminate();
      return this.#end();
    }
    this.#heardSincePing = false;
    this.#options.socket.ping();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#state === "closed") return;
    this.#heardSincePing = true;
    const text = isBinary ? undefined : textOf(data);
    if (text === undefined) return this.close(CLOSE_MALFORMED, "expected text messages with JSON");
    if (Buffer.byteLength(text) > LIMITS.socketMessageBytes)
      return this.close(CLOSE_TOO_BIG, `expected at most ${LIMITS.socketMessageBytes} bytes per message`);
    const frame = parseFrame(text);
    if (typeof frame === "string") return this.close(CLOSE_MALFORMED, frame);
    return this.#handle(frame);
  }

  #handle(frame: FromAgent): void {
    if (frame.type === "hello") {
      if (this.#state !== "greeting") return this.close(CLOSE_MALFORMED, "expected one hello frame");
      clearTimeout(this.#greeting);
      this.#state = "joining";
      this.#hello = frame;
      return void this.#join(frame);
    }
    if (this.#state !== "open") return this.close(CLOSE_MALFORMED, `expected hello first, got ${frame.type}`);
    const pool = this.#options.pool();
    if (frame.type === "progress") pool.progress(frame.id, frame.data);
    else if (frame.type === "result") pool.finish(frame.id, frame.output);
    else pool.fail(frame.id, frame);
  }

  async #join(hello: Hello): Promise<void> {
    try {
      const mayJoin = await this.#options.join(hello);
      // The socket may have closed while the connection was being recorded: then the record must go again.
      if (this.#state === "closed") return mayJoin ? this.#options.left(true) : undefined;
      if (!mayJoin) return this.close(CLOSE_UNAUTHORISED, "the agent's token is no longer valid");
      this.#state = "open";
      this.send({ type: "welcome", agentId: this.principal.agentId, name: this.principal.name });
      return this.#options.pool().join(this);
    } catch (error) {
      this.#options.log.error("an agent's hello could not be recorded", { error });
      return this.close(CLOSE_INTERNAL, "the connection could not be recorded; try again");
    }
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return Buffer.isBuffer(data) ? data.toString("utf8") : Buffer.from(data).toString("utf8");
}

/** The frame, or what is wrong with it. */
function parseFrame(text: string): FromAgent | string {
  try {
    const frame: Json = parseJson(text);
    const parsed = FromAgent.safeParse(frame);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      return `frame does not fit the protocol: ${issue?.path.join(".") || "frame"}: ${issue?.message ?? "invalid"}`;
    }
    return parsed.data.type === "hello" && !isStorable(frame) ? "skills contain characters that cannot be stored" : parsed.data;
  } catch (error) {
    // A RangeError comes from nesting that no stack can follow.
    return error instanceof RangeError ? "frame is nested too deeply" : "expected JSON";
  }
}

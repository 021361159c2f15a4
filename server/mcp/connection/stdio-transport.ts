import {
  SdkError,
  SdkErrorCode,
  parseJSONRPCMessage,
  type JSONRPCMessage,
  type JSONRPCResultResponse,
  type Transport,
} from "@modelcontextprotocol/client";
import { LIMITS } from "#contract/limits.ts";
import { parseJson } from "#contract/parse-json.ts";
import type { AppError } from "#server/kernel/errors.ts";
import type { StepRef } from "#server/kernel/ports.ts";
import { ConnectionFailure } from "./connection-failure.ts";
import { AskedOfUs } from "./asked-of-us.ts";
import { answersNothing } from "./answer-ids.ts";
import type { FrameRecorder } from "./frames.ts";
import { insteadOfDeep } from "./failed-answer.ts";
import { isJson, isRecord } from "./json-value.ts";
import { lineSplitter } from "./line-splitter.ts";
import { notificationGate } from "./notification-gate.ts";
import { readPaced } from "../process/paced.ts";
import type { ServerProcess } from "../process/server-process.ts";

export const MESSAGE_BYTES = 10 * 1024 * 1024;

type Options = {
  process: ServerProcess;
  frames: FrameRecorder;
  /** A line on stdout that is not a message: many servers print a greeting there. */
  onGarbage: (line: string) => void;
  /** So many notifications, or lines that are none, came faster than anybody could use them. */
  onFlood: (count: number) => void;
  /** Why this side gave the conversation up. */
  onFatal: (error: AppError) => void;
};

/**
 * JSON-RPC lines over the pipes of a process that somebody else started and stops. `stderr` and `pid` are how the SDK
 * recognises stdio: silence on its probe then means a server of the 2025 era on the same pipe.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  /** Asked first of results; answers whether it was what it waits for. */
  onresult?: (result: JSONRPCResultResponse) => boolean;
  readonly stderr = null;
  readonly pid: number;
  readonly #options: Options;
  readonly #asked: AskedOfUs;
  #closed = false;
  #unsent = "";
  #strayLines = 0;
  #draining: Promise<void> | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#asked = new AskedOfUs((count) => options.onFlood(count));
    this.pid = options.process.pid;
  }

  async start(): Promise<void> {
    const { process } = this.#options;
    const gate = notificationGate({
      pass: (line) => this.#closed || this.#receive(line),
      onDropped: (count) => this.#options.onFlood(count),
    });
    const split = lineSplitter({
      maxBytes: MESSAGE_BYTES,
      onLine: (line) => gate.take(line),
      onOverflow: () =>
        this.#fail(new ConnectionFailure("mcp_message_too_large", `The server sent a message longer than ${MESSAGE_BYTES} bytes.`)),
    });
    readPaced(process.child.stdout, {
      bytesPerSecond: LIMITS.mcpStdoutBytesPerSecond,
      onData: (chunk) => this.#closed || split(chunk),
    });
    process.child.stdout.on("error", (error) => this.onerror?.(error));
    // The pipes may outlive the process in the hands of a grandchild, so the exit counts, not the end of the stream.
    process.child.once("exit", () => setImmediate(() => void this.close()));
    if (process.child.exitCode !== null || process.child.signalCode !== null) setImmediate(() => void this.close());
  }

  async send(message: JSONRPCMessage): Promise<void> {
    try {
      if (!this.post(message)) await this.#drained();
    } finally {
      this.#asked.sent(message);
    }
  }

  /** Throws when the process has ended; answers whether the pipe takes more at once. */
  post(message: JSONRPCMessage, step?: StepRef): boolean {
    const { stdin } = this.#options.process.child;
    if (this.#closed || !stdin.writable) throw new SdkError(SdkErrorCode.ConnectionClosed, "The server's process has ended.");
    const text = JSON.stringify(message);
    if (this.#unsent === "") setImmediate(() => this.#flush());
    this.#unsent += `${text}\n`;
    this.#options.frames.sent(message, text, step);
    return !stdin.writableNeedDrain;
  }

  /** What is sent in one turn of the event loop goes in one write: each wakes the server up. */
  #flush(): void {
    const lines = this.#unsent;
    this.#unsent = "";
    if (lines !== "") this.#options.process.child.stdin.write(lines);
  }

  /** One wait for all senders: thousands of calls at once would otherwise each listen to the pipe. */
  #drained(): Promise<void> {
    const { stdin } = this.#options.process.child;
    return (this.#draining ??= new Promise<void>((resolve) => {
      const done = (): void => {
        stdin.off("drain", done).off("close", done);
        this.#draining = undefined;
        resolve();
      };
      stdin.on("drain", done).on("close", done);
    }));
  }

  /** Ends the conversation, not the process. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#flush();
    this.#options.process.child.stdin.end();
    this.onclose?.();
  }

  #receive(line: string): void {
    if (line.trim() === "") return;
    const message = parseMessage(line);
    if (message === undefined || answersNothing(message)) return this.#stray(line);
    const content: unknown = message;
    if (!isJson(content)) return this.#deep(message);
    if (!this.#asked.lets(message)) return;
    this.#options.frames.received(message, line);
    if (isResult(content) && this.onresult?.(content)) return;
    try {
      this.onmessage?.(message);
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #deep(message: JSONRPCMessage): void {
    const instead = insteadOfDeep(message);
    if (instead) this.onmessage?.(instead);
    this.#stray("a message that is nested too deep");
  }

  #stray(line: string): void {
    this.#options.onGarbage(line);
    this.#strayLines += 1;
    if (this.#strayLines <= LIMITS.mcpStrayLines) return;
    this.#fail(
      new ConnectionFailure(
        "mcp_output_invalid",
        `The server wrote more than ${LIMITS.mcpStrayLines} lines to stdout that are no messages.`,
      ),
    );
  }

  #fail(error: AppError): void {
    this.#options.onFatal(error);
    this.onerror?.(error);
    void this.close();
  }
}

/** Undefined when it is no message. */
export function parseMessage(line: string): JSONRPCMessage | undefined {
  try {
    const value: unknown = parseJson(line);
    return isResult(value) ? value : parseJSONRPCMessage(value);
  } catch {
    return undefined;
  }
}

/** What nearly every message looks like that comes over a pipe; all others are the SDK's to judge. */
const isResult = (value: unknown): value is JSONRPCResultResponse =>
  isRecord(value) &&
  value["jsonrpc"] === "2.0" &&
  Number.isSafeInteger(value["id"]) &&
  isRecord(value["result"]) &&
  value["result"]["_meta"] === undefined &&
  Object.keys(value).length === 3;

import { ProtocolError } from "@modelcontextprotocol/client";
import { toAppError, type AppError } from "#server/kernel/errors.ts";
import type { Connection } from "../connection/connection.ts";
import { callFailure, isOurs } from "../connection/failures.ts";
import type { Timings } from "./timings.ts";

export type CheckResult = {
  /** How long the answer took; undefined when it did not come or was no ping. */
  latencyMs?: number;
  /** Checks of one kind that have failed in a row, the more of the two. */
  failed: number;
  error?: AppError;
};

export type CheckupPorts = {
  timings: Pick<Timings, "checkEveryMs" | "checkTimeoutMs" | "recheckMs" | "listEveryMs">;
  /** Lists the tools and compares them; rejects when the server does not list them. */
  list(signal: AbortSignal): Promise<void>;
  /** Whether this process is the one that asks; a check that is not made is no failure. */
  mayAsk(): boolean;
  /** Whether calls are under way, which may keep a server that does one thing at a time from answering. */
  isBusy(): boolean;
  onResult(result: CheckResult): void;
  /** The connection is not worth keeping. */
  onHopeless(error: AppError): void;
};

/** Checks of one kind that may fail in a row, and how many while calls are under way. */
const MOST_FAILED = { idle: 3, busy: 6 };

type Kind = "answers" | "lists";

/**
 * Asks one connection again and again whether it still answers and what it lists. The two are counted apart: a server that
 * answers pings and lists nothing is not well.
 */
export class Checkup {
  readonly #connection: Connection;
  readonly #ports: CheckupPorts;
  readonly #end = new AbortController();
  readonly #timers: Partial<Record<Kind, NodeJS.Timeout>> = {};
  readonly #failed: Record<Kind, number> = { answers: 0, lists: 0 };

  constructor(connection: Connection, ports: CheckupPorts) {
    this.#connection = connection;
    this.#ports = ports;
    this.#schedule("answers");
    this.#schedule("lists");
  }

  /** Lists now, whoever's turn it is. Never rejects. */
  list(): Promise<void> {
    clearTimeout(this.#timers.lists);
    return this.#ask("lists");
  }

  stop(): void {
    this.#end.abort();
    clearTimeout(this.#timers.answers);
    clearTimeout(this.#timers.lists);
  }

  #schedule(kind: Kind, isHindered = false): void {
    if (this.#end.signal.aborted) return;
    clearTimeout(this.#timers[kind]);
    const { checkEveryMs, listEveryMs, recheckMs } = this.#ports.timings;
    const usualMs = kind === "answers" ? checkEveryMs : listEveryMs;
    const waitMs = isHindered || this.#failed[kind] > 0 ? Math.min(recheckMs, usualMs) : usualMs;
    const ask = (): boolean => isHindered || this.#mayAsk(kind);
    this.#timers[kind] = setTimeout(() => void (ask() ? this.#ask(kind) : this.#schedule(kind)), waitMs).unref();
  }

  /** Whoever has found that something is wrong also finds out when it is over. */
  #mayAsk(kind: Kind): boolean {
    return this.#failed[kind] > 0 || this.#ports.mayAsk();
  }

  async #ask(kind: Kind): Promise<void> {
    const began = performance.now();
    try {
      await (kind === "answers" ? this.#ping() : this.#ports.list(this.#end.signal));
      if (this.#end.signal.aborted) return;
      this.#failed[kind] = 0;
      this.#ports.onResult({ failed: this.#worst(), ...(kind === "answers" && { latencyMs: performance.now() - began }) });
    } catch (thrown) {
      if (this.#end.signal.aborted) return;
      const error = toAppError(thrown);
      // What could not be written down says nothing of the server; it is found again by the next look.
      if (isOurs(error)) return this.#schedule(kind, true);
      this.#fail(kind, error);
    }
    this.#schedule(kind);
  }

  async #ping(): Promise<void> {
    const { transport } = this.#connection;
    try {
      await this.#connection.ping({ timeoutMs: this.#ports.timings.checkTimeoutMs, signal: this.#end.signal });
    } catch (thrown) {
      // A refusal is an answer, too: not every server knows the method.
      if (thrown instanceof ProtocolError) return;
      throw callFailure(thrown, { transport, repeatable: true, loss: this.#connection.lossReason() });
    }
  }

  #fail(kind: Kind, error: AppError): void {
    this.#failed[kind] += 1;
    const failed = this.#worst();
    this.#ports.onResult({ failed, error });
    if (failed >= MOST_FAILED[this.#ports.isBusy() ? "busy" : "idle"]) this.#ports.onHopeless(error);
  }

  #worst(): number {
    return Math.max(this.#failed.answers, this.#failed.lists);
  }
}

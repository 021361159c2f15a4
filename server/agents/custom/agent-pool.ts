import type { Json } from "#contract/common.ts";
import type { ToAgent } from "#contract/agent-socket.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { endsWork } from "../abort.ts";

/**
 * The connections of one agent and the work given to it.
 *
 * An invocation is *waiting* (for a connection with a free place) or *running* on one connection. When a connection is
 * lost, what ran on it waits again, at the front, for `graceMs`: the agent that comes back is sent the same key and
 * answers from memory or goes on. Work that must not happen twice goes back only to the process that had it, and ends
 * `step_in_doubt` when that process stays away; other work goes to any connection and ends `agent_offline`.
 */
export type Invocation = {
  readonly id: string;
  readonly skill: string;
  readonly input: Json;
  readonly key: string;
  readonly runId: string | null;
  readonly stepId: string | null;
  /** Monotonic clock, ms. */
  readonly deadlineAt: number;
  /** Whether a process that has forgotten the key may be asked. */
  readonly repeatable: boolean;
  progress(data: Json): void;
  resolve(output: Json): void;
  reject(error: AppError): void;
};

/** An open connection as the pool sees it. */
export interface AgentLine {
  readonly instance: string | undefined;
  readonly concurrency: number;
  send(frame: ToAgent): void;
}

type Work = { invocation: Invocation; line: AgentLine | undefined; sentTo: AgentLine | undefined; grace: NodeJS.Timeout | undefined };

const MAX_WAITING = 1_000;

export class AgentPool {
  readonly #name: string;
  readonly #graceMs: number;
  readonly #lines = new Map<AgentLine, number>();
  /** By invocation id, in the order in which it is to be served. */
  readonly #waiting = new Map<string, Work>();
  readonly #running = new Map<string, Work>();

  constructor({ name, graceMs }: { name: string; graceMs: number }) {
    this.#name = name;
    this.#graceMs = graceMs;
  }

  get isOnline(): boolean {
    return this.#lines.size > 0;
  }
  get isIdle(): boolean {
    return this.#lines.size + this.#waiting.size + this.#running.size === 0;
  }
  /** Whether this invocation has ever been sent. */
  wasSent(id: string): boolean {
    return this.#running.has(id) || this.#waiting.get(id)?.sentTo !== undefined;
  }

  join(line: AgentLine): void {
    this.#lines.set(line, 0);
    this.#pump();
  }

  leave(line: AgentLine): void {
    this.#lines.delete(line);
    const lost = [...this.#running.values()].filter((work) => work.line === line);
    for (const work of lost) this.#running.delete(work.invocation.id);
    for (const work of lost) {
      work.line = undefined;
      work.grace = setTimeout(() => this.#giveUp(work), this.#graceMs);
    }
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const work of lost) this.#waiting.set(work.invocation.id, work);
    for (const [id, work] of waiting) this.#waiting.set(id, work);
    this.#pump();
  }

  add(invocation: Invocation): void {
    if (this.#waiting.size >= MAX_WAITING) {
      const message = `${this.#name} already has ${MAX_WAITING} invocations waiting.`;
      return invocation.reject(
        new AppError("agent_failed", message, { retryable: true, remedy: "Start more processes of this agent, or lower the concurrency." }),
      );
    }
    this.#waiting.set(invocation.id, { invocation, line: undefined, sentTo: undefined, grace: undefined });
    this.#pump();
  }

  /** Ends an invocation from our side. The agent is told to stop unless another process will go on with its work. */
  abandon(id: string, error: AppError): void {
    const work = this.#take(id);
    if (!work) return;
    if (work.line && endsWork(error)) work.line.send({ type: "cancel", id, reason: error.message });
    work.invocation.reject(error);
    this.#pump();
  }

  abandonAll(error: AppError): void {
    for (const id of [...this.#running.keys(), ...this.#waiting.keys()]) this.abandon(id, error);
  }

  /** Answers to invocations that are not running here are late, and are dropped. */
  progress(id: string, data: Json): void {
    this.#running.get(id)?.invocation.progress(data);
  }
  finish(id: string, output: Json): void {
    this.#take(id)?.invocation.resolve(output);
    this.#pump();
  }
  fail(id: string, { message, retryable }: { message: string; retryable: boolean }): void {
    this.#take(id)?.invocation.reject(new AppError("agent_failed", `${this.#name}: ${message}`, { retryable }));
    this.#pump();
  }

  #take(id: string): Work | undefined {
    const work = this.#running.get(id) ?? this.#waiting.get(id);
    if (!work) return undefined;
    clearTimeout(work.grace);
    if (work.line) this.#lines.set(work.line, (this.#lines.get(work.line) ?? 1) - 1);
    this.#running.delete(id);
    this.#waiting.delete(id);
    return work;
  }

  #giveUp(work: Work): void {
    const { id, repeatable } = work.invocation;
    if (!this.#waiting.delete(id)) return;
    const seconds = Math.round(this.#graceMs / 1_000);
    const message = `${this.#name} lost its connection during the work and did not come back within ${seconds} s.`;
    const error = repeatable ? new AppError("agent_offline", message, { retryable: true }) : new AppError("step_in_doubt", message);
    work.invocation.reject(error);
  }

  #pump(): void {
    for (const work of this.#waiting.values()) {
      const line = this.#freeLine(work);
      if (line) this.#send(work, line);
    }
  }

  /** The least loaded connection that may have this work. */
  #freeLine({ invocation, sentTo }: Work): AgentLine | undefined {
    const isSame = (line: AgentLine): boolean => line.instance !== undefined && line.instance === sentTo?.instance;
    const load = (line: AgentLine): number => (this.#lines.get(line) ?? 0) / line.concurrency;
    return [...this.#lines.keys()]
      .filter((line) => load(line) < 1 && (sentTo === undefined || invocation.repeatable || isSame(line)))
      .sort((a, b) => load(a) - load(b))[0];
  }

  #send(work: Work, line: AgentLine): void {
    const { id, skill, input, key, runId, stepId, deadlineAt } = work.invocation;
    const deadlineMs = Math.max(1, Math.round(deadlineAt - performance.now()));
    this.#waiting.delete(id);
    clearTimeout(work.grace);
    work.line = line;
    work.sentTo = line;
    this.#running.set(id, work);
    this.#lines.set(line, (this.#lines.get(line) ?? 0) + 1);
    line.send({ type: "invoke", id, skill, input, key, runId, stepId, deadlineMs });
  }
}

/** Refuses what a connection could not carry, before it is queued. */
export function requireSendable(input: Json, who: string): void {
  const sizeBytes = Buffer.byteLength(JSON.stringify(input));
  const max = LIMITS.socketMessageBytes - 4_096;
  if (sizeBytes > max) throw new AppError("body_too_large", `The input for ${who} has ${sizeBytes} bytes; at most ${max} can be sent.`);
}

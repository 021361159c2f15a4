import { z } from "zod";
import { Json } from "#contract/common.ts";
import { AppError } from "#server/kernel/errors.ts";
import { abortError } from "../abort.ts";
import type { AgentOf } from "../agent.ts";
import type { AgentEvent, AgentPort, Envelope } from "../agent-port.ts";
import type { AgentHub } from "./agent-hub.ts";
import { requireSendable, type AgentPool, type Invocation } from "./agent-pool.ts";

export const SkillCall = z.object({ skill: z.string().min(1).max(128), input: Json });

/** One custom agent, through whichever of its connections is free. While it is offline the call waits. */
export function customAgent(hub: AgentHub, agent: AgentOf<"custom">): AgentPort {
  return {
    async *invoke(envelope, signal): AsyncGenerator<AgentEvent> {
      const { skill, input } = SkillCall.parse(envelope.content);
      requireSendable(input, agent.name);
      if (signal.aborted) throw abortError(signal, agent.name);
      const pool = hub.poolOf(agent.id, agent.name);
      const events = new EventQueue();
      const invocation = invocationOf(envelope, { skill, input, events });
      const abort = (): void => pool.abandon(envelope.id, abortError(signal, agent.name));
      const offline = setTimeout(() => failIfOffline(pool, envelope), offlineWaitMs(envelope.ttlMs));
      signal.addEventListener("abort", abort, { once: true });
      try {
        pool.add(invocation);
        yield* events.read();
      } finally {
        clearTimeout(offline);
        signal.removeEventListener("abort", abort);
        pool.abandon(envelope.id, new AppError("step_cancelled", "Nobody waits for this any more."));
        hub.releasePool(agent.id);
      }
    },
  };
}

/** Just before the deadline: that the agent was never there says more than that the time is up. */
const offlineWaitMs = (ttlMs: number): number => Math.max(ttlMs - 1_000, ttlMs * 0.9);

function failIfOffline(pool: AgentPool, { id, to }: Envelope): void {
  if (pool.isOnline || pool.wasSent(id)) return;
  pool.abandon(id, new AppError("agent_offline", `${to} did not connect in time.`, { retryable: true }));
}

function invocationOf(envelope: Envelope, { skill, input, events }: { skill: string; input: Json; events: EventQueue }): Invocation {
  return {
    id: envelope.id,
    skill,
    input,
    key: envelope.idempotencyKey,
    runId: envelope.step?.runId ?? null,
    stepId: envelope.step?.nodeId ?? null,
    deadlineAt: performance.now() + envelope.ttlMs,
    repeatable: envelope.repeatable,
    progress: (content) => events.push({ type: "message", content }),
    resolve: (output) => events.push({ type: "result", output }),
    reject: (error) => events.fail(error),
  };
}

/** From callbacks to an iterator. Ends after `result`, or throws what `fail` was given. */
class EventQueue {
  readonly #events: AgentEvent[] = [];
  #error: AppError | undefined;
  #wake: () => void = () => {};

  push(event: AgentEvent): void {
    this.#events.push(event);
    this.#wake();
  }
  fail(error: AppError): void {
    this.#error = error;
    this.#wake();
  }
  async *read(): AsyncGenerator<AgentEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event) yield event;
      if (event?.type === "result") return;
      if (event) continue;
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
  }
}

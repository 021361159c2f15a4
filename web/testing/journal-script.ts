import type { Json } from "#contract/common.ts";
import type { EventPayload, JournalEvent, StepError } from "#contract/journal.ts";

export const START = Date.parse("2026-03-02T09:00:00.000Z");

export const stepError = (given: Partial<StepError> = {}): StepError => ({
  code: "agent_failed",
  message: "The agent answered with an error.",
  remedy: "Read the agent's own message.",
  retryable: true,
  ...given,
});

type Where = { nodeId?: string; scope?: string; attempt?: number };

/** Writes a journal by hand: each call appends one event at the script's clock, which `wait` moves on. */
export class JournalScript {
  readonly events: JournalEvent[] = [];
  #now: number;

  constructor(now = START) {
    this.#now = now;
  }

  wait(ms: number): this {
    this.#now += ms;
    return this;
  }

  at(ms: number): this {
    this.#now = ms;
    return this;
  }

  append(payload: EventPayload, { nodeId, scope = "", attempt = 1 }: Where = {}): this {
    const place = { seq: this.events.length + 1, v: 1, epoch: 1, at: new Date(this.#now).toISOString() } as const;
    this.events.push({ ...payload, ...place, scope, nodeId: nodeId ?? null, attempt: nodeId === undefined ? 0 : attempt });
    return this;
  }

  created(workflowId: string, input: Json): this {
    return this.append({ kind: "run_created", body: { workflowId, version: 1, input, initiator: "user:owner" } }).append({
      kind: "run_claimed",
      body: { owner: "worker-1" },
    });
  }

  started(nodeId: string, input: Json = {}, where: Where = {}): this {
    const body = { input, effect: "once", key: `key-${where.scope ?? ""}${nodeId}`, generation: 1 } as const;
    return this.append({ kind: "step_started", body }, { ...where, nodeId });
  }

  succeeded(nodeId: string, output: Json = null, where: Where & { handle?: string } = {}): this {
    return this.append({ kind: "step_succeeded", body: { output, handle: where.handle ?? "success" } }, { ...where, nodeId });
  }

  failed(nodeId: string, given: { error?: Partial<StepError>; retryInMs?: number } = {}, where: Where = {}): this {
    const body = { error: stepError(given.error), ...(given.retryInMs === undefined ? {} : { retryAt: this.#now + given.retryInMs }) };
    return this.append({ kind: "step_failed", body }, { ...where, nodeId });
  }

  parked(nodeId: string, question = "Did it happen?", where: Where = {}): this {
    return this.append({ kind: "step_parked", body: { question, generation: 1 } }, { ...where, nodeId });
  }

  mapStarted(nodeId: string, items: Json[], where: Where & { concurrency?: number } = {}): this {
    return this.append(
      { kind: "map_started", body: { items, concurrency: where.concurrency ?? 4, onItemError: "fail" } },
      { ...where, nodeId },
    );
  }

  runSucceeded(output: Json): this {
    return this.append({ kind: "run_succeeded", body: { output } });
  }

  runFailed(error: Partial<StepError>, at: { nodeId: string; scope?: string }): this {
    return this.append({ kind: "run_failed", body: { error: stepError(error), nodeId: at.nodeId, scope: at.scope ?? "" } });
  }
}

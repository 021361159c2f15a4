import type { FromAgent, ToAgent } from "#contract/agent-socket.ts";
import { LIMITS } from "#contract/limits.ts";
import { RememberedKeys, type Answer } from "./remembered-keys.ts";
import { RetryableError, type AgentSkill } from "./skills.ts";

type Invoke = Extract<ToAgent, { type: "invoke" }>;
type Running = { key: string; ids: Set<string>; controller: AbortController; deadline: NodeJS.Timeout | undefined };
type Send = (frame: Exclude<FromAgent, { type: "hello" }>) => void;

/**
 * Carries out what the platform asks for, each key once: a key that is finished is answered from memory, one that is
 * running is joined. Work goes on while the connection is gone; its answer waits in memory until the platform asks again.
 */
export class SkillRunner {
  readonly #skills: ReadonlyMap<string, AgentSkill>;
  readonly #send: Send;
  readonly #remembered = new RememberedKeys();
  readonly #running = new Map<string, Running>();

  constructor({ skills, send }: { skills: ReadonlyMap<string, AgentSkill>; send: Send }) {
    this.#skills = skills;
    this.#send = send;
  }

  invoke(frame: Invoke): void {
    const known = this.#remembered.recall(frame);
    if (known) return this.#send({ ...known, id: frame.id });
    const running = this.#running.get(frame.key);
    if (!running) return void this.#run(frame);
    running.ids.add(frame.id);
    return this.#extend(running, frame.deadlineMs);
  }

  cancel(id: string, reason: string): void {
    for (const running of this.#running.values()) if (running.ids.has(id)) running.controller.abort(new Error(reason));
  }

  cancelAll(reason: string): void {
    for (const running of this.#running.values()) running.controller.abort(new Error(reason));
  }

  async #run(frame: Invoke): Promise<void> {
    const running: Running = { key: frame.key, ids: new Set([frame.id]), controller: new AbortController(), deadline: undefined };
    this.#running.set(frame.key, running);
    this.#extend(running, frame.deadlineMs);
    const answer = await this.#answer(frame, running);
    clearTimeout(running.deadline);
    this.#running.delete(frame.key);
    for (const id of running.ids) {
      this.#remembered.remember({ key: frame.key, id }, answer);
      this.#send({ ...answer, id });
    }
  }

  async #answer({ skill: name, input, key, runId, stepId }: Invoke, running: Running): Promise<Answer> {
    const skill = this.#skills.get(name);
    if (!skill) return failure(`There is no skill ${name}; there are ${[...this.#skills.keys()].join(", ")}.`);
    try {
      const output = await skill.invoke(input, {
        signal: running.controller.signal,
        key,
        runId,
        stepId,
        progress: (data) => {
          for (const id of running.ids) this.#send({ type: "progress", id, data });
        },
      });
      const bytes = new TextEncoder().encode(JSON.stringify(output)).length;
      const max = LIMITS.socketMessageBytes - 1_024;
      return bytes <= max ? { type: "result", output } : failure(`The result has ${bytes} bytes; at most ${max} can be sent.`);
    } catch (error) {
      return failure(error instanceof Error ? error.message : String(error), error instanceof RetryableError);
    }
  }

  /** The newest wish counts: an attempt that joins brings its own deadline. */
  #extend(running: Running, ms: number): void {
    clearTimeout(running.deadline);
    const expire = (): void => running.controller.abort(new DOMException("The platform's deadline has passed.", "TimeoutError"));
    running.deadline = setTimeout(expire, Math.min(ms, 2_147_483_647));
    running.deadline.unref();
  }
}

const failure = (message: string, retryable = false): Answer => ({ type: "failure", message: message.slice(0, 8_000), retryable });

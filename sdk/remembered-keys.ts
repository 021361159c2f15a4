import type { Json } from "#contract/common.ts";

export type Answer = { type: "result"; output: Json } | { type: "failure"; message: string; retryable: boolean };

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_KEYS = 10_000;

/**
 * The answers to finished work, so that a platform that asks again (because the connection broke before it heard) gets the
 * same answer and the work is not done twice. The oldest are forgotten first, beyond 10,000 keys or 64 MiB.
 *
 * A result belongs to its key. A failure belongs to one invocation only: a new attempt of the same key runs again.
 */
export class RememberedKeys {
  readonly #answers = new Map<string, { answer: Answer; bytes: number }>();
  #bytes = 0;

  remember({ key, id }: { key: string; id: string }, answer: Answer): void {
    const name = answer.type === "result" ? resultName(key) : failureName(id);
    const bytes = JSON.stringify(answer).length * 2;
    this.#forget(name);
    this.#answers.set(name, { answer, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#answers.keys()) {
      if (this.#bytes <= MAX_BYTES && this.#answers.size <= MAX_KEYS) break;
      this.#forget(oldest);
    }
  }

  recall({ key, id }: { key: string; id: string }): Answer | undefined {
    return (this.#answers.get(resultName(key)) ?? this.#answers.get(failureName(id)))?.answer;
  }

  #forget(name: string): void {
    this.#bytes -= this.#answers.get(name)?.bytes ?? 0;
    this.#answers.delete(name);
  }
}

const resultName = (key: string): string => `key ${key}`;
const failureName = (id: string): string => `invocation ${id}`;

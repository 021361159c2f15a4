import type { StepRef } from "#server/kernel/ports.ts";
import { isRecord } from "./json-value.ts";

type Token = string | number | undefined;
export type OpenRequest = {
  key: string;
  /** Under which its progress is told. */
  token: Token;
  method: string;
  tool: string | undefined;
  step: StepRef | undefined;
  at: number;
};

/** Requests that never get an answer must not be remembered for ever. */
const MOST = 10_000;

/** Requests of one side that have no answer yet. */
export class OpenRequests {
  readonly #byKey = new Map<string, OpenRequest>();
  readonly #byToken = new Map<unknown, OpenRequest>();

  add(request: OpenRequest): void {
    // Whoever uses an id again has given up what was under it.
    this.take(request.key);
    this.#byKey.set(request.key, request);
    if (request.token !== undefined) this.#byToken.set(request.token, request);
    const oldest = this.#byKey.size > MOST ? this.#byKey.keys().next().value : undefined;
    if (oldest !== undefined) this.take(oldest);
  }

  find(key: string): OpenRequest | undefined {
    return this.#byKey.get(key);
  }

  withToken(token: unknown): OpenRequest | undefined {
    return this.#byToken.get(token);
  }

  /** From now on it is not open any more. */
  take(key: string): OpenRequest | undefined {
    const request = this.#byKey.get(key);
    if (request === undefined) return undefined;
    this.#byKey.delete(key);
    // A call that goes on after a question has a new request under the same token.
    if (request.token !== undefined && this.#byToken.get(request.token) === request) this.#byToken.delete(request.token);
    return request;
  }
}

export function tokenOf(params: Readonly<Record<string, unknown>> | undefined): Token {
  const meta = params?.["_meta"];
  const token = isRecord(meta) ? meta["progressToken"] : undefined;
  return typeof token === "string" || typeof token === "number" ? token : undefined;
}

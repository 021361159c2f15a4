import { AsyncLocalStorage } from "node:async_hooks";
import {
  SdkError,
  SdkErrorCode,
  type CreateMessageRequestParams,
  type CreateMessageResult,
  type CreateMessageResultWithTools,
  type ElicitRequestParams,
  type ElicitResult,
  type InputRequiredResult,
  type ListRootsResult,
  type LoggingMessageNotification,
  type Progress,
  type RequestOptions,
} from "@modelcontextprotocol/client";
import { AppError } from "#server/kernel/errors.ts";
import type { StepRef } from "#server/kernel/ports.ts";

/** What a server wants to know of a person before it goes on, by the keys under which it expects the answers. */
export type Questions = Readonly<Record<string, ElicitRequestParams>>;
export type Answers = Readonly<Record<string, ElicitResult>>;

/** Asks somebody. Rejects when nobody can be asked; the signal aborts when the call is over. */
export type Ask = (questions: Questions, signal: AbortSignal) => Promise<Answers>;

/** Somebody with a model and folders of its own, who is asked for them before the platform is. */
export type Party = {
  sample?:
    | ((params: CreateMessageRequestParams, signal: AbortSignal) => Promise<CreateMessageResult | CreateMessageResultWithTools>)
    | undefined;
  roots?: (() => Promise<ListRootsResult>) | undefined;
  /** Answers by itself what a server of the 2026 era wants to know: the call of a tool ends with `InputWanted`. */
  takesInput: boolean;
};

/** Thrown instead of an answer to whoever wants to see for itself what the server needs to know. */
export class InputWanted extends Error {
  override readonly name = "InputWanted";
  readonly result: InputRequiredResult;
  constructor(result: InputRequiredResult) {
    super("The server needs to know more.");
    this.result = result;
  }
}

/** Thrown when whoever a request is made for does not answer what the server asks, or not in a way that can be used. */
export class NotAnswered extends AppError {
  constructor(why: string, options: { cause: unknown }) {
    super("mcp_input_refused", `What the server asks was not answered: ${why}`, options);
  }
}

/** What every request to a server takes. */
export type CallOptions = {
  /** Without an answer for so long in all, the request ends, whatever progress it tells of. While a person is asked, the time stands still. */
  timeoutMs: number;
  /** Without a sign of life for so long, it ends earlier; progress is one. */
  idleMs?: number | undefined;
  signal?: AbortSignal | undefined;
  step?: StepRef | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  ask?: Ask | undefined;
  /** Told what the server says meanwhile, as far as it can be known to belong to this request. */
  onMessage?: ((message: LoggingMessageNotification["params"]) => void) | undefined;
  /** Told when the server asks something of anybody: its result is then for this caller only. */
  onAsked?: (() => void) | undefined;
  /** Asked before the request is made once more, with what the server wanted to know. Rejects when it may not be made any more. */
  mayStill?: (() => unknown) | undefined;
  /** For whom the request is made, if not for the platform. */
  party?: Party | undefined;
};

/** The longest wait that a timer can hold: the SDK's own deadline is never the one that counts. */
const NEVER_MS = 2 ** 31 - 1;

/** The request in whose asynchronous context code runs: it travels down to the transport, and with a response's own stream back up. */
const current = new AsyncLocalStorage<OpenCall>();
export const currentCall = (): OpenCall | undefined => current.getStore();
export const inCall = <T>(call: OpenCall, send: () => Promise<T>): Promise<T> => current.run(call, send);

type Carried = RequestOptions & { call: OpenCall };
/** The call that these options were made for: the SDK hands them back when the server's answer is not the last word. */
export const callOf = (options: RequestOptions | undefined): OpenCall | undefined =>
  options !== undefined && "call" in options && options.call instanceof OpenCall ? options.call : undefined;

/** One request under way: who waits for it, for how long, and whom the server may ask meanwhile. */
export class OpenCall {
  readonly step: StepRef | undefined;
  readonly ask: Ask | undefined;
  readonly party: Party | undefined;
  /** Goes with the request, if its progress is to be told. */
  readonly meta: { progressToken: string } | undefined;
  /** Made when somebody listens: most calls end before anybody does. */
  #ended: AbortController | undefined;
  #givenUp: { reason: unknown } | undefined;
  #onGivenUp: ((reason: unknown) => void) | undefined;
  readonly #given: CallOptions;
  readonly #idle: NodeJS.Timeout | undefined;
  #leftMs: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking = 0;
  /** Of questions that are open; ends with the request, however it ends. */
  #questions: AbortController | undefined;
  #isOver = false;

  constructor(given: CallOptions, progressToken: string) {
    const { signal, onProgress, idleMs, timeoutMs } = given;
    this.#given = given;
    this.step = given.step;
    this.ask = given.ask;
    this.party = given.party;
    this.#leftMs = timeoutMs;
    this.meta = onProgress === undefined && idleMs === undefined ? undefined : { progressToken };
    if (idleMs !== undefined) this.#idle = setTimeout(() => this.#asking > 0 || this.#expire(idleMs), idleMs);
    this.#start();
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborts when the call is given up. */
  get signal(): AbortSignal {
    if (this.#ended === undefined) {
      this.#ended = new AbortController();
      if (this.#givenUp !== undefined) this.#ended.abort(this.#givenUp.reason);
    }
    return this.#ended.signal;
  }

  /** For a request that the SDK makes. */
  get options(): Carried {
    return { timeout: NEVER_MS, signal: this.signal, call: this };
  }

  /** Whether it ended before its answer came. */
  get isGivenUp(): boolean {
    return this.#givenUp !== undefined;
  }

  /** Instead of the one that was called before, if there was one; at once when it has been given up already. */
  whenGivenUp(listener: (reason: unknown) => void): void {
    this.#onGivenUp = listener;
    if (this.#givenUp !== undefined) listener(this.#givenUp.reason);
  }

  /** Aborts when the request is over, however it ends; and with `also`, the server's own word that it does not want to know any more. */
  whileOpen(also?: AbortSignal): AbortSignal {
    const over = (this.#questions ??= new AbortController());
    return AbortSignal.any([this.signal, over.signal, ...(also === undefined ? [] : [also])]);
  }

  /** While a person thinks, no deadline of the request passes. */
  async whileAsking<T>(question: (signal: AbortSignal) => Promise<T>, withdrawn?: AbortSignal): Promise<T> {
    this.#asking += 1;
    if (this.#asking === 1) this.#stop();
    try {
      return await question(this.whileOpen(withdrawn));
    } finally {
      this.#asking -= 1;
      if (this.#asking === 0 && !this.#isOver) this.#start();
    }
  }

  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#idle);
    this.#given.signal?.removeEventListener("abort", this.#onAbort);
    this.#isOver = true;
    this.#questions?.abort();
  }

  onProgress(progress: Progress): void {
    // Where the transport says which request a message belongs to, nobody else's progress counts.
    const related = currentCall();
    if (related !== undefined && related !== this) return;
    this.#idle?.refresh();
    this.#given.onProgress?.(progress);
  }

  onAsked(): void {
    this.#given.onAsked?.();
  }

  async mayStill(): Promise<void> {
    await this.#given.mayStill?.();
  }

  onMessage(message: LoggingMessageNotification["params"]): void {
    if (!this.#isOver) this.#given.onMessage?.(message);
  }

  readonly #onAbort = (): void => this.#giveUp(this.#given.signal?.reason);

  #giveUp(reason: unknown): void {
    if (this.#givenUp !== undefined || this.#isOver) return;
    this.#givenUp = { reason };
    this.#onGivenUp?.(reason);
    this.#ended?.abort(reason);
  }

  #start(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.#expire(this.#given.timeoutMs), Math.min(this.#leftMs, NEVER_MS));
    this.#idle?.refresh();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#leftMs = Math.max(1, this.#leftMs - (performance.now() - this.#since));
  }

  #expire(timeout: number): void {
    this.#giveUp(new SdkError(SdkErrorCode.RequestTimeout, "Request timed out", { timeout }));
  }
}

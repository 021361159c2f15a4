import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "../../kernel/errors.ts";
import type { CodeCall, CodeOutcome } from "./code-sandbox.ts";

/** How much longer than its time code may take before its thread is ended: some loops of the interpreter cannot be interrupted. */
const GRACE_MS = 250;
/** How long a thread that has nothing to do is kept. */
const IDLE_MS = 60_000;
/** Of V8, beside the interpreter's own memory. */
const HEAP_MB = 64;

type Job = { call: CodeCall; signal: AbortSignal; resolve: (outcome: CodeOutcome) => void; reject: (error: unknown) => void };

/**
 * The threads in which code runs, so that no code can hold up this process. A thread is started when all others are busy and there
 * are fewer than `LIMITS.codeWorkers`, and ended when its code does not stop, or it has been idle for a minute.
 */
export class CodePool {
  readonly #threads = new Set<CodeThread>();
  readonly #waiting: Job[] = [];
  #isStopped = false;

  /** In turn. Rejects with the signal's reason as soon as it aborts; the thread is ended with the code that it runs. */
  run(call: CodeCall, signal: AbortSignal): Promise<CodeOutcome> {
    if (this.#isStopped) return Promise.reject(new AppError("unavailable", "The platform is stopping.", { retryable: true }));
    if (this.#waiting.length >= LIMITS.codeQueue) {
      const message = `${LIMITS.codeQueue} pieces of code wait for their turn already.`;
      return Promise.reject(new AppError("unavailable", message, { retryable: true, remedy: "Try again later, or add a worker process." }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, signal, resolve, reject });
      this.#next();
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new AppError("unavailable", "The platform is stopping.", { retryable: true }));
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  /** How many threads there are. */
  get size(): number {
    return this.#threads.size;
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#free();
      const job = thread && this.#waiting.shift();
      if (!thread || !job) return;
      void this.#give(thread, job);
    }
  }

  #free(): CodeThread | undefined {
    for (const thread of this.#threads) if (!thread.isBusy) return thread;
    if (this.#threads.size >= LIMITS.codeWorkers) return undefined;
    const thread = new CodeThread(() => this.#threads.delete(thread));
    this.#threads.add(thread);
    return thread;
  }

  async #give(thread: CodeThread, { call, signal, resolve, reject }: Job): Promise<void> {
    try {
      resolve(await thread.run(call, signal));
    } catch (error) {
      reject(error);
    }
    this.#next();
  }
}

class CodeThread {
  isBusy = false;
  readonly #worker: Worker;
  readonly #ready: Promise<unknown>;
  readonly #onEnd: () => void;
  #idle: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#worker = new Worker(new URL(`./code-worker${extname(import.meta.filename)}`, import.meta.url), {
      env: {},
      argv: [],
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    // Whoever has nothing else to do may exit.
    this.#worker.unref();
    this.#worker.on("error", () => void this.end());
    this.#worker.once("exit", () => void this.end());
    this.#ready = this.#message();
    this.#ready.catch(() => {});
  }

  async run(call: CodeCall, signal: AbortSignal): Promise<CodeOutcome> {
    this.isBusy = true;
    clearTimeout(this.#idle);
    this.#worker.ref();
    const stop = (): void => void this.end();
    signal.addEventListener("abort", stop, { once: true });
    let timer: NodeJS.Timeout | undefined;
    let isLate = false;
    try {
      signal.throwIfAborted();
      await this.#ready;
      timer = setTimeout(() => {
        isLate = true;
        stop();
      }, call.timeoutMs + GRACE_MS);
      const answer = this.#message<CodeOutcome>();
      this.#worker.postMessage(call);
      return await answer;
    } catch (error) {
      if (isLate)
        return { fails: "code_timeout", message: `Expected the code to end within ${call.timeoutMs} ms; its thread had to be ended.` };
      throw signal.aborted ? signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#rest();
    }
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    clearTimeout(this.#idle);
    this.#onEnd();
    await this.#worker.terminate();
  }

  #rest(): void {
    this.isBusy = false;
    this.#worker.unref();
    if (!this.#isEnded) this.#idle = setTimeout(() => void this.end(), IDLE_MS).unref();
  }

  /** The thread's next word. Rejects when it ends before. */
  #message<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const onMessage = (word: T): void => {
        this.#worker.off("exit", onExit);
        resolve(word);
      };
      const onExit = (): void => {
        this.#worker.off("message", onMessage);
        reject(new AppError("internal", "The thread of the code has ended."));
      };
      this.#worker.once("message", onMessage);
      this.#worker.once("exit", onExit);
    });
  }
}

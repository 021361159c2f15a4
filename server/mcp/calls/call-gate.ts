import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";

/** So many may run at once; `atOnce` is asked each time, as settings change. */
export type Load = { readonly name: string; running: number; waiting: number; atOnce: number };
export type Loads = { readonly tool: Load; readonly server: Load; readonly tenant: Load };

type Waiter = { loads: Loads; admit: () => void };
type Waiting = { deadline: number; signal: AbortSignal };

const isFree = ({ tool, server, tenant }: Loads): boolean =>
  tool.running < tool.atOnce && server.running < server.atOnce && tenant.running < tenant.atOnce;

const add = ({ tool, server, tenant }: Loads, key: "running" | "waiting", change: 1 | -1): void => {
  tool[key] += change;
  server[key] += change;
  tenant[key] += change;
};

/** Lets calls of one tenant through, first come first served among those for which there is room. */
export class CallGate {
  readonly #waiting = new Set<Waiter>();

  /** Undefined when the call may begin at once: it counts as running from now on, until `leave`. */
  enter(loads: Loads, waiting: Waiting): Promise<void> | undefined {
    if (loads.tool.waiting === 0 && isFree(loads)) {
      add(loads, "running", 1);
      return undefined;
    }
    if (this.#waiting.size >= LIMITS.mcpCallsWaiting)
      throw new AppError("rate_limited", `${LIMITS.mcpCallsWaiting} calls wait already.`, { retryable: true });
    return this.#wait(loads, waiting);
  }

  leave(loads: Loads): void {
    add(loads, "running", -1);
    if (this.#waiting.size > 0) this.#admit();
  }

  async #wait(loads: Loads, { deadline, signal }: Waiting): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { loads, admit: resolve };
    // At once: who gives up must not be let through while its rejection is on its way.
    const giveUp = (error: AppError): void => {
      if (!this.#waiting.delete(waiter)) return;
      add(loads, "waiting", -1);
      reject(error);
    };
    const onAbort = (): void => giveUp(new AppError("step_cancelled", "The call was cancelled while it waited.", { cause: signal.reason }));
    this.#waiting.add(waiter);
    add(loads, "waiting", 1);
    const timer = setTimeout(() => giveUp(tooLate(loads)), Math.max(0, deadline - performance.now()));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      if (!isFree(waiter.loads)) continue;
      this.#waiting.delete(waiter);
      add(waiter.loads, "waiting", -1);
      add(waiter.loads, "running", 1);
      waiter.admit();
    }
  }
}

function tooLate({ tool, server, tenant }: Loads): AppError {
  const full = [tool, server, tenant].find((load) => load.running >= load.atOnce) ?? tool;
  const message = `Expected to be among the ${full.atOnce} calls at once of ${full.name} in time; others were before it.`;
  return new AppError("concurrency_timeout", message, { retryable: true });
}

import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";

/** So many may run at once; `atOnce` is asked each time, as settings change. */
export type Load = { readonly name: string; running: number; waiting: number; atOnce: number };
export type Loads = { readonly tool: Load; readonly server: Load; readonly tenant: Load };

/** `turn`: who has come before has the smaller one. */
type Waiter = { loads: Loads; turn: number; admit: () => void };
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
  /** By tool: where the first one has no room, none behind it has. */
  readonly #queues = new Map<Load, Set<Waiter>>();
  #waiting = 0;
  #turns = 0;

  /** Undefined when the call may begin at once: it counts as running from now on, until `leave`. */
  enter(loads: Loads, waiting: Waiting): Promise<void> | undefined {
    if (loads.tool.waiting === 0 && isFree(loads)) {
      add(loads, "running", 1);
      return undefined;
    }
    if (this.#waiting >= LIMITS.mcpCallsWaiting) throw tooMany(loads.tenant, LIMITS.mcpCallsWaiting);
    // A server that hangs leaves room for calls of others that have to wait.
    if (loads.server.waiting >= LIMITS.mcpServerCallsWaiting) throw tooMany(loads.server, LIMITS.mcpServerCallsWaiting);
    return this.#wait(loads, waiting);
  }

  leave(loads: Loads): void {
    add(loads, "running", -1);
    if (this.#waiting > 0) this.#admit();
  }

  async #wait(loads: Loads, { deadline, signal }: Waiting): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { loads, turn: (this.#turns += 1), admit: resolve };
    // At once: who gives up must not be let through while its rejection is on its way.
    const giveUp = (error: AppError): void => {
      if (this.#take(waiter)) reject(error);
    };
    const onAbort = (): void => giveUp(new AppError("step_cancelled", "The call was cancelled while it waited.", { cause: signal.reason }));
    this.#put(waiter);
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

  #put(waiter: Waiter): void {
    const queue = this.#queues.get(waiter.loads.tool) ?? new Set();
    this.#queues.set(waiter.loads.tool, queue.add(waiter));
    this.#waiting += 1;
    add(waiter.loads, "waiting", 1);
  }

  /** False when it waits no more. */
  #take(waiter: Waiter): boolean {
    const queue = this.#queues.get(waiter.loads.tool);
    if (queue?.delete(waiter) !== true) return false;
    if (queue.size === 0) this.#queues.delete(waiter.loads.tool);
    this.#waiting -= 1;
    add(waiter.loads, "waiting", -1);
    return true;
  }

  #admit(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#take(next);
      add(next.loads, "running", 1);
      next.admit();
    }
  }

  /** Of those for which there is room, who has waited longest. */
  #next(): Waiter | undefined {
    let first: Waiter | undefined;
    for (const queue of this.#queues.values()) {
      const [head] = queue;
      if (head !== undefined && isFree(head.loads) && (first === undefined || head.turn < first.turn)) first = head;
    }
    return first;
  }
}

const tooMany = ({ name }: Load, most: number): AppError =>
  new AppError("rate_limited", `${most} calls of ${name} wait already.`, { retryable: true });

function tooLate({ tool, server, tenant }: Loads): AppError {
  const full = [tool, server, tenant].find((load) => load.running >= load.atOnce) ?? tool;
  const message = `Expected to be among the ${full.atOnce} calls at once of ${full.name} in time; others were before it.`;
  return new AppError("concurrency_timeout", message, { retryable: true });
}

import type { LiveEvent } from "#contract/system.ts";
import type { Log } from "#server/kernel/log.ts";
import type { LiveBus } from "#server/kernel/ports.ts";

type Listener = (event: LiveEvent) => void;

/** Fans hints out inside this process. A listener that throws harms neither the publisher nor the other listeners. */
export function createLiveBus(log: Log): LiveBus {
  const listeners = new Map<string, Set<Listener>>();
  return {
    publish: (tenantId, event) => {
      for (const listener of listeners.get(tenantId) ?? []) {
        try {
          listener(event);
        } catch (error) {
          log.error("a live listener failed", { error });
        }
      }
    },
    subscribe: (tenantId, listener) => {
      const own = listeners.get(tenantId) ?? new Set();
      listeners.set(tenantId, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0) listeners.delete(tenantId);
      };
    },
  };
}

const QUEUED_EVENTS = 1_000;

type Subscription = { bus: LiveBus; tenantId: string; signal: AbortSignal; queued?: number };

/**
 * The hints of a tenant, for one reader. What the reader has not taken yet waits in a queue; when that is full the oldest
 * hints are dropped, and the reader is told once, by `resync`, that it has missed some. Ends with the signal.
 */
export async function* liveEvents({ bus, tenantId, signal, queued = QUEUED_EVENTS }: Subscription): AsyncGenerator<LiveEvent> {
  const queue: LiveEvent[] = [];
  let hasMissed = false;
  let wake = (): void => {};
  const unsubscribe = bus.subscribe(tenantId, (event) => {
    queue.push(event);
    if (queue.length > queued) {
      queue.shift();
      hasMissed = true;
    }
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      if (hasMissed) {
        hasMissed = false;
        yield { type: "resync" };
      }
      const event = queue.shift();
      if (event) yield event;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", onAbort);
  }
}

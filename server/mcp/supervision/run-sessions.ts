import { isFinal } from "#contract/runs.ts";
import type { LiveBus } from "#server/kernel/ports.ts";
import type { SupervisedServer } from "./supervised-server.ts";

type Deps = { live: LiveBus; held: () => Iterable<SupervisedServer> };

/** Listens for the end of runs; what is not heard ends by being idle. */
export type RunSessions = { watch(tenantId: string): void; stop(): void };

/** A run's steps call as `run:<id>`, and so are their sessions called: with the run, they end. */
export function followRuns({ live, held }: Deps): RunSessions {
  const watched = new Map<string, () => void>();
  return {
    watch(tenantId) {
      if (watched.has(tenantId)) return;
      const unsubscribe = live.subscribe(tenantId, (event) => {
        if (event.type !== "run" || !isFinal(event.status)) return;
        for (const server of held()) if (server.record.tenantId === tenantId) server.endSession(`run:${event.runId}`);
      });
      watched.set(tenantId, unsubscribe);
    },
    stop() {
      for (const unsubscribe of watched.values()) unsubscribe();
      watched.clear();
    },
  };
}

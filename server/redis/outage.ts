import type { Log } from "#server/kernel/log.ts";

/** So long without a failure means that it is over: one Redis that answers pings may still refuse writes. */
const QUIET_MS = 3_000;

/** Says once that Redis does not do what it is asked, and once that it does again. */
export type Outage = {
  readonly failed: (error: unknown) => void;
  /** Redis has answered. */
  readonly answered: () => void;
};

export function createOutage(log: Log, now: () => number = () => performance.now()): Outage {
  let failedAt: number | undefined;
  return {
    failed: (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      if (failedAt === undefined)
        log.warn("Redis does not answer as it should; until it does, work is found by looking for it", { reason });
      failedAt = now();
    },
    answered: () => {
      if (failedAt === undefined || now() - failedAt < QUIET_MS) return;
      failedAt = undefined;
      log.warn("Redis answers again");
    },
  };
}

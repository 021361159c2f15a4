export type Backoff = { backoffMs: number; factor: number; maxMs: number; jitter: number };

/** Delay in ms before attempt `attempt + 1`, where `attempt` counts from 1. `random` in [0,1) spreads the share `jitter` of the delay. */
export function backoffDelay({ backoffMs, factor, maxMs, jitter }: Backoff, attempt: number, random: number): number {
  const full = Math.min(maxMs, backoffMs * factor ** (attempt - 1));
  return Math.round(full * (1 - jitter * random));
}

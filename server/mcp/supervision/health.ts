import type { ServerHealth } from "#contract/mcp/health.ts";

/** So many durations are remembered; older ones say nothing about today. */
const REMEMBERED = 100;

/** How long the last exchanges with a server took. Adding is cheap; reading sorts. */
export class Latencies {
  readonly #values: number[] = [];
  #next = 0;

  add(ms: number): void {
    this.#values[this.#next] = ms;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** The duration that this share of them did not exceed, in tenths of a millisecond. Null before the first. */
  percentile(share: number): number | null {
    const sorted = this.#values.toSorted((a, b) => a - b);
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return value === undefined ? null : Math.round(value * 10) / 10;
  }
}

/** What the checks of a server have shown, in this process. */
export class Health {
  readonly latencies = new Latencies();
  #latencyMs: number | null = null;

  /** Notes one check; what it returns is to be kept with the server. */
  note({ latencyMs, failed }: { latencyMs?: number; failed: number }, at: Date): ServerHealth {
    if (latencyMs !== undefined) {
      this.latencies.add(latencyMs);
      this.#latencyMs = Math.round(latencyMs * 10) / 10;
    }
    return {
      lastCheckAt: at.toISOString(),
      latencyMs: this.#latencyMs,
      p50Ms: this.latencies.percentile(0.5),
      p95Ms: this.latencies.percentile(0.95),
      failedChecks: failed,
    };
  }
}

import { Counter, Histogram, type Registry } from "prom-client";
import { CALL_OUTCOMES, type CallOutcome } from "#contract/mcp/calls.ts";

/** So many durations are remembered of a tool. */
const REMEMBERED = 256;

const none = (): Record<CallOutcome, number> => ({
  ok: 0,
  tool_error: 0,
  refused: 0,
  failed: 0,
  timeout: 0,
  cancelled: 0,
  cached: 0,
  limited: 0,
  breaker: 0,
});

/** How the calls of one tool ended, and how long the last ones took. */
export class CallStats {
  readonly counts = none();
  readonly #durations = new Float64Array(REMEMBERED);
  #answered = 0;

  count(outcome: CallOutcome, durationMs?: number): void {
    this.counts[outcome] += 1;
    if (durationMs === undefined) return;
    this.#durations[this.#answered % REMEMBERED] = durationMs;
    this.#answered += 1;
  }

  /** The duration that this share of the last calls did not exceed. */
  percentile(share: number): number | null {
    const known = this.#durations.slice(0, Math.min(this.#answered, REMEMBERED)).sort();
    return known[Math.ceil(known.length * share) - 1] ?? null;
  }
}

/** Of all servers together: by server and tool there would be as many series as tools. */
export class CallMetrics {
  readonly #totals = none();
  readonly #seconds: Histogram;

  constructor(registry: Registry | undefined) {
    const totals = this.#totals;
    const total = new Counter({
      name: "auterity_mcp_calls_total",
      help: "Calls of tools of MCP servers, by how they ended.",
      labelNames: ["outcome"],
      registers: [],
      collect() {
        this.reset();
        for (const outcome of CALL_OUTCOMES) this.inc({ outcome }, totals[outcome]);
      },
    });
    this.#seconds = new Histogram({
      name: "auterity_mcp_call_seconds",
      help: "Time from the request to the answer of a tool.",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers: [],
    });
    registry?.registerMetric(total);
    registry?.registerMetric(this.#seconds);
  }

  count(outcome: CallOutcome, durationMs?: number): void {
    this.#totals[outcome] += 1;
    if (durationMs !== undefined) this.#seconds.observe(durationMs / 1_000);
  }
}

import { collectDefaultMetrics, Counter, Histogram, Registry } from "prom-client";
import type { RunStatus } from "#contract/runs.ts";

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type Answered = { route: string; method: string; status: number; seconds: number };

/** What the slices report; each takes the part that it knows. No label ever holds an id, a path or a name given by a user. */
export type MetricsObserver = {
  onRunStarted(): void;
  onRunEnded(run: { status: RunStatus }): void;
  onStep(step: { type: string; event: string; willRetry: boolean }): void;
  onBatch(batch: { rows: number; runs: number; ms: number }): void;
};

export type Metrics = {
  /** For slices that have counters of their own. */
  readonly registry: Registry;
  /** All metrics in the Prometheus text format. */
  text(): Promise<string>;
  answered(request: Answered): void;
  observer: MetricsObserver;
};

/** The metrics of this process, in a registry of their own. */
export function createMetrics({ version }: { version: string }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Counter({ name: "auterity_build_info", help: "1, with the version", labelNames: ["version"], registers: [registry] }).inc({
    version,
  });
  return { registry, text: () => registry.metrics(), answered: httpMetrics(registry), observer: runMetrics(registry) };
}

function httpMetrics(registry: Registry): Metrics["answered"] {
  const requests = new Histogram({
    name: "auterity_http_request_duration_seconds",
    help: "Time from a request's headers to the end of its answer, by route of the contract and class of status",
    labelNames: ["route", "method", "status"],
    buckets: FAST_SECONDS,
    registers: [registry],
  });
  // A request's method is the client's word, so it becomes a label only when it is one of these.
  const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
  const observers = new Map<string, { observe(seconds: number): void }>();
  return ({ route, method, status, seconds }) => {
    const labels = { route, method: methods.has(method) ? method : "other", status: `${Math.floor(status / 100)}xx` };
    const key = `${labels.route} ${labels.method} ${labels.status}`;
    let observer = observers.get(key);
    if (observer === undefined) observers.set(key, (observer = requests.labels(labels)));
    observer.observe(seconds);
  };
}

function runMetrics(registry: Registry): MetricsObserver {
  const registers = [registry];
  const started = new Counter({ name: "auterity_runs_started_total", help: "Runs that were started", registers });
  const ended = new Counter({ name: "auterity_runs_ended_total", help: "Runs that ended", labelNames: ["status"], registers });
  const onStep = stepCounter(registers);
  const rows = new Counter({ name: "auterity_journal_events_total", help: "Events that were made durable", registers });
  const batches = new Histogram({
    name: "auterity_journal_batch_duration_seconds",
    help: "Time of one group commit of the journal",
    buckets: FAST_SECONDS,
    registers,
  });
  const runsPerBatch = new Histogram({
    name: "auterity_journal_batch_runs",
    help: "Runs that shared one group commit",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  return {
    onRunStarted: () => started.inc(),
    onRunEnded: ({ status }) => ended.inc({ status }),
    onStep,
    onBatch: (batch) => {
      rows.inc(batch.rows);
      batches.observe(batch.ms / 1000);
      runsPerBatch.observe(batch.runs);
    },
  };
}

/** Counted by hand and handed over when somebody looks: steps end a hundred thousand times as often. */
function stepCounter(registers: Registry[]): MetricsObserver["onStep"] {
  const counts = new Map<string, { labels: { type: string; outcome: string }; count: number }>();
  const attempts = new Counter({
    name: "auterity_step_attempts_total",
    help: "Attempts of steps that ended, by node type and outcome",
    labelNames: ["type", "outcome"],
    registers,
    collect: () => {
      attempts.reset();
      for (const { labels, count } of counts.values()) attempts.inc(labels, count);
    },
  });
  return ({ type, event, willRetry }) => {
    const outcome = willRetry ? "retrying" : event;
    const key = `${type} ${outcome}`;
    const known = counts.get(key);
    if (known) known.count += 1;
    else counts.set(key, { labels: { type, outcome: outcome.replace("step_", "") }, count: 1 });
  };
}

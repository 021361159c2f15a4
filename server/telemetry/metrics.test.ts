import { describe, expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

const request = { route: "getRun", method: "GET", status: 200, seconds: 0.003 };

describe("metrics", () => {
  test("are the process's, in the Prometheus text format", async () => {
    const text = await createMetrics({ version: "1.2.3" }).text();
    expect(text).toContain('auterity_build_info{version="1.2.3"} 1');
    expect(text).toContain("process_resident_memory_bytes");
    expect(text).toContain("nodejs_eventloop_lag_seconds");
  });

  test("count requests by route and class of status", async () => {
    const metrics = createMetrics({ version: "1" });
    metrics.answered(request);
    metrics.answered({ ...request, status: 204 });
    metrics.answered({ ...request, status: 404 });
    const text = await metrics.text();
    expect(text).toContain('auterity_http_request_duration_seconds_count{route="getRun",method="GET",status="2xx"} 2');
    expect(text).toContain('auterity_http_request_duration_seconds_count{route="getRun",method="GET",status="4xx"} 1');
  });

  test("do not grow with what clients make up", async () => {
    const metrics = createMetrics({ version: "1" });
    for (let i = 0; i < 1_000; i += 1) metrics.answered({ ...request, method: `MADE-UP-${i}` });
    const series = (await metrics.text()).split("\n").filter((line) => line.startsWith("auterity_http_request_duration_seconds_count"));
    expect(series).toHaveLength(1);
  });

  test("count runs, steps and journal batches", async () => {
    const metrics = createMetrics({ version: "1" });
    const { observer } = metrics;
    observer.onRunStarted();
    observer.onRunEnded({ status: "succeeded" });
    observer.onStep({ type: "mcp_tool", event: "step_failed", willRetry: true });
    observer.onStep({ type: "mcp_tool", event: "step_succeeded", willRetry: false });
    observer.onBatch({ rows: 40, runs: 10, ms: 2 });
    const text = await metrics.text();
    expect(text).toContain("auterity_runs_started_total 1");
    expect(text).toContain('auterity_runs_ended_total{status="succeeded"} 1');
    expect(text).toContain('auterity_step_attempts_total{type="mcp_tool",outcome="retrying"} 1');
    expect(text).toContain('auterity_step_attempts_total{type="mcp_tool",outcome="succeeded"} 1');
    expect(text).toContain("auterity_journal_events_total 40");
    expect(text).toContain('auterity_journal_batch_runs_bucket{le="10"} 1');
  });
});

export { createLiveBus } from "./live-bus.ts";
export { createLog, type LogOptions } from "./log.ts";
export { createMetrics, type Metrics, type MetricsObserver } from "./metrics.ts";
export { systemRoutes, type SystemDeps } from "./routes.ts";
export { startTracing, type Tracing, type TracingOptions } from "./tracing.ts";

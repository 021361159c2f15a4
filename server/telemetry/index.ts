export { createLiveBus } from "./live-bus.ts";
export { createLog } from "./log.ts";
export { createMetrics } from "./metrics.ts";
export { systemRoutes, type SystemDeps } from "./routes.ts";
export { startTracing } from "./tracing.ts";

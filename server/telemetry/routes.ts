import { healthz, metricsText, readyz, streamEvents } from "#contract/system.ts";
import { AppError } from "#server/kernel/errors.ts";
import { EventStream, handle, type Handled, type SseEvent } from "#server/kernel/handle.ts";
import type { LiveBus } from "#server/kernel/ports.ts";
import { liveEvents } from "./live-bus.ts";
import type { Metrics } from "./metrics.ts";

export type SystemDeps = {
  metrics: Pick<Metrics, "text">;
  bus: LiveBus;
  version: string;
  /** Resolves when the platform can serve; rejects with the reason when it cannot. */
  ping: () => Promise<void>;
};

/** Health, readiness, metrics and the stream of hints. */
export function systemRoutes({ metrics, bus, version, ping }: SystemDeps): Handled[] {
  const startedAt = performance.now();
  return [
    handle(healthz, () => ({ status: "ok" as const })),
    handle(readyz, async () => {
      await ping().catch((cause: unknown) => {
        if (cause instanceof AppError && cause.code === "unavailable") throw cause;
        throw new AppError("unavailable", "The database does not answer.", { cause });
      });
      return { status: "ready" as const, version, uptimeMs: Math.round(performance.now() - startedAt) };
    }),
    handle(metricsText, () => metrics.text()),
    handle(streamEvents, ({ caller, signal }) => new EventStream(hints(bus, caller.tenantId, signal))),
  ];
}

async function* hints(bus: LiveBus, tenantId: string, signal: AbortSignal): AsyncGenerator<SseEvent> {
  for await (const event of liveEvents({ bus, tenantId, signal })) yield { event: event.type, data: event };
}

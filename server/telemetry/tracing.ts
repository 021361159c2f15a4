import type { Attributes, Span, TextMapGetter } from "@opentelemetry/api";
import type { StepExecutor } from "#server/kernel/step-executor.ts";

export type TracingOptions = { endpoint: string; serviceName: string; version: string };

export type Tracing = {
  /** Begins the span of one request; the function it returns ends it. */
  started(request: { route: string; method: string; requestId: string; traceparent?: string | undefined }): (status: number) => void;
  /** The same executor, with a span around each call. */
  traced(type: string, executor: StepExecutor): StepExecutor;
  /** Sends what is left, then lets go. Never throws: a collector that is away must not hold up stopping. */
  stop(): Promise<void>;
};

const SERVER_ERROR = 500;

/** Sends traces to an OTLP collector. The SDK is loaded only when this is called: most installations never do. */
export async function startTracing({ endpoint, serviceName, version }: TracingOptions): Promise<Tracing> {
  const [{ NodeSDK }, { OTLPTraceExporter }, api] = await Promise.all([
    import("@opentelemetry/sdk-node"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/api"),
  ]);
  const sdk = new NodeSDK({
    serviceName,
    autoDetectResources: false,
    traceExporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, "")}/v1/traces` }),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  const tracer = api.trace.getTracer("auterity", version);
  const end = (span: Span, failure?: string): void => {
    if (failure !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: failure });
    span.end();
  };
  return {
    started: ({ route, method, requestId, traceparent }) => {
      const parent = traceparent === undefined ? api.ROOT_CONTEXT : api.propagation.extract(api.ROOT_CONTEXT, traceparent, TRACEPARENT);
      const attributes: Attributes = { "http.request.method": method, "http.route": route, "auterity.request_id": requestId };
      const span = tracer.startSpan(`${method} ${route}`, { kind: api.SpanKind.SERVER, attributes }, parent);
      return (status) => {
        span.setAttribute("http.response.status_code", status);
        end(span, status >= SERVER_ERROR ? String(status) : undefined);
      };
    },
    traced: (type, executor) => ({
      prepare: (request) => executor.prepare(request),
      run: async (call) => {
        const { runId, scope, nodeId, attempt } = call.step;
        const attributes: Attributes = {
          "auterity.run_id": runId,
          "auterity.scope": scope,
          "auterity.node_id": nodeId,
          "auterity.attempt": attempt,
          "auterity.effect": call.effect,
        };
        const span = tracer.startSpan(`step ${type}`, { kind: api.SpanKind.CLIENT, attributes, root: true });
        try {
          const output = await executor.run(call);
          end(span);
          return output;
        } catch (error) {
          end(span, error instanceof Error && "code" in error ? String(error.code) : "failed");
          throw error;
        }
      },
    }),
    stop: () => sdk.shutdown().catch(() => {}),
  };
}

const TRACEPARENT: TextMapGetter<string> = {
  keys: () => ["traceparent"],
  get: (carrier, key) => (key === "traceparent" ? carrier : undefined),
};

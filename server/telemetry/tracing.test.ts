import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { AppError } from "#server/kernel/errors.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import { startTracing, type Tracing } from "./tracing.ts";

const Value = z.looseObject({ stringValue: z.string().optional(), intValue: z.union([z.number(), z.string()]).optional() });
const SpanBody = z.object({
  name: z.string(),
  traceId: z.string(),
  parentSpanId: z.string().optional(),
  attributes: z.array(z.object({ key: z.string(), value: Value })),
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
});
const Export = z.object({ resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(SpanBody) })) })) });

/** An OTLP collector on loopback. */
const spans: z.infer<typeof SpanBody>[] = [];
const paths: string[] = [];
const collector = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    paths.push(request.url ?? "");
    const body = Export.parse(JSON.parse(Buffer.concat(chunks).toString()));
    for (const { scopeSpans } of body.resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
});

const isAddress = (address: AddressInfo | string | null): address is AddressInfo => typeof address === "object" && address !== null;
let tracing: Tracing;
beforeAll(async () => {
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  const address = collector.address();
  if (!isAddress(address)) throw new Error("The collector does not listen.");
  tracing = await startTracing({ endpoint: `http://127.0.0.1:${address.port}/`, serviceName: "auterity-test", version: "1" });
});
afterAll(() => collector.close());

const call: StepCall = {
  tenantId: "t",
  environment: "production",
  initiator: "user:1",
  depth: 0,
  step: { runId: "run-1", scope: "/each[3]", nodeId: "list", attempt: 2 },
  input: {},
  key: "k",
  effect: "none",
  timeoutMs: 1_000,
  signal: new AbortController().signal,
  saveHandle: async () => {},
};

describe("traces", () => {
  test("of requests and steps reach the collector", async () => {
    const trace = "0af7651916cd43dd8448eb211c80319c";
    tracing.started({ route: "getRun", method: "GET", requestId: "r1", traceparent: `00-${trace}-b7ad6b7169203331-01` })(200);
    tracing.started({ route: "createWorkflow", method: "POST", requestId: "r2" })(500);
    const executor = tracing.traced("mcp_tool", {
      prepare: async () => ({ binding: { tool: "hash" } }),
      run: async ({ key }) => {
        if (key === "bad") throw new AppError("tool_failed", "no");
        return "output";
      },
    });
    expect(await executor.prepare(call)).toEqual({ binding: { tool: "hash" } });
    expect(await executor.run(call)).toBe("output");
    await expect(executor.run({ ...call, key: "bad" })).rejects.toMatchObject({ code: "tool_failed" });
    await tracing.stop();

    expect(new Set(paths)).toEqual(new Set(["/v1/traces"]));
    expect(spans.map(({ name }) => name)).toEqual(["GET getRun", "POST createWorkflow", "step mcp_tool", "step mcp_tool"]);
    expect(spans[0]).toMatchObject({ traceId: trace, parentSpanId: "b7ad6b7169203331" });
    expect(spans[1]?.status).toMatchObject({ code: 2 });
    expect(spans[2]?.attributes).toEqual(
      expect.arrayContaining([
        { key: "auterity.run_id", value: { stringValue: "run-1" } },
        { key: "auterity.node_id", value: { stringValue: "list" } },
      ]),
    );
    expect(spans[3]?.status).toMatchObject({ code: 2, message: "tool_failed" });
  });
});

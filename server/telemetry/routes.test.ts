import { describe, expect, test } from "vitest";
import type { RouteName } from "#contract/routes.ts";
import { silentLog } from "#server/kernel/log.ts";
import { EventStream } from "#server/kernel/handle.ts";
import { createLiveBus, createMetrics, systemRoutes, type SystemDeps } from "./index.ts";

const caller = {
  tenantId: "a",
  principalId: "p",
  ref: "user:p",
  name: "n",
  kind: "user",
  role: null,
  permissions: new Set<never>(),
} as const;

function routes(deps: Partial<SystemDeps> = {}) {
  const bus = createLiveBus(silentLog);
  const handled = systemRoutes({ metrics: createMetrics({ version: "1" }), bus, version: "1.2.3", ping: async () => {}, ...deps });
  const controller = new AbortController();
  const run = async (name: RouteName): Promise<unknown> => {
    const nothing = { params: undefined, query: undefined, headers: undefined, body: undefined };
    return handled.find(({ route }) => route.name === name)?.run({ ...nothing, caller, requestId: "r", signal: controller.signal });
  };
  return { bus, run, controller };
}

describe("the system's routes", () => {
  test("say that the process lives, and whether the platform can serve", async () => {
    expect(await routes().run("healthz")).toEqual({ status: "ok" });
    expect(await routes().run("readyz")).toMatchObject({ status: "ready", version: "1.2.3" });
    const away = routes({ ping: () => Promise.reject(new Error("connection refused")) });
    await expect(away.run("readyz")).rejects.toMatchObject({ code: "unavailable" });
  });

  test("answer the metrics as text", async () => {
    expect(await routes().run("metricsText")).toContain("auterity_build_info");
  });

  test("stream the caller's own hints", async () => {
    const { bus, run, controller } = routes();
    const stream = await run("streamEvents");
    if (!(stream instanceof EventStream)) throw new Error("There is no stream.");
    const events = stream.events[Symbol.asyncIterator]();
    const first = events.next();
    bus.publish("b", { type: "workflow", workflowId: "foreign", version: 1 });
    bus.publish("a", { type: "agent", agentId: "x", status: "online" });
    expect(await first).toEqual({ done: false, value: { event: "agent", data: { type: "agent", agentId: "x", status: "online" } } });
    const end = events.next();
    controller.abort();
    expect((await end).done).toBe(true);
  });
});

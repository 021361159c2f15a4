import { fileURLToPath } from "node:url";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { ROUTES as routes } from "#contract/routes.ts";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import { newId } from "#server/kernel/ids.ts";
import { mcpPlatforms, stepCall, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

const CHAOS = fileURLToPath(new URL("../../../test/support/mcp/chaos-server.ts", import.meta.url));
const WAIT = { timeout: 10_000, interval: 20 };
let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

async function chaosWith(p: McpPlatform, calls: ServerSettings["calls"]) {
  const launch = { transport: "stdio" as const, command: process.execPath, args: [CHAOS], env: { TOKEN: "none" } };
  const server = await p.call(routes.createMcpServer, { body: { name: `s-${newId().slice(-12)}`, launch, settings: { calls } } });
  const call = async (name: string, args: Record<string, string | number> = {}, timeoutMs = 5_000) => {
    const tool = await toolNamed(p, server.id, name);
    return p.call(routes.callTool, { params: { id: tool.id }, body: { arguments: args, timeoutMs } });
  };
  const state = async (tool: string) => {
    const { tools, ...own } = await p.call(routes.getServerCalls, { params: { id: server.id } });
    return { own, tool: tools.find(({ name }) => name === tool) };
  };
  return { server, call, state };
}

describe("how many calls there are at once", () => {
  test("is limited by tool and server; the others wait for their turn", async () => {
    const p = await platforms.open();
    const { call, state } = await chaosWith(p, { concurrency: 3, tools: { slow: { concurrency: 2 } } });
    const slow = Array.from({ length: 4 }, () => call("slow", { ms: 1_500 }, 20_000));
    await vi.waitFor(async () => expect((await state("slow")).tool).toMatchObject({ running: 2, waiting: 2, atOnce: 2 }), WAIT);
    expect(await call("echo", { a: 1 })).toMatchObject({ text: '{"a":1}' });
    expect(await Promise.all(slow)).toHaveLength(4);
    const { own, tool } = await state("slow");
    expect([own.running, own.atOnce, tool?.counts.ok, (tool?.p50Ms ?? 0) >= 1_490]).toEqual([0, 3, 4, true]);
  });

  test("ends the wait with the call's own time, in a step as well, and with the right to call", async () => {
    const p = await platforms.open();
    const { server, call, state } = await chaosWith(p, { concurrency: 1 });
    const first = call("slow", { ms: 1_500 });
    await vi.waitFor(async () => expect((await state("slow")).tool?.running).toBe(1), WAIT);
    const stopped = Promise.allSettled([call("slow", { ms: 1 }, 20_000)]);
    await vi.waitFor(async () => expect((await state("slow")).tool?.waiting).toBe(1), WAIT);
    await expect(call("slow", { ms: 1 }, 100)).rejects.toMatchObject({ code: "concurrency_timeout" });
    const step = p.mcp.executeTool.run(stepCall(db, { server: server.name, tool: "slow", arguments: { ms: 1 } }, { timeoutMs: 100 }));
    await expect(step).rejects.toMatchObject({ code: "concurrency_timeout", retryable: true });
    // Whoever waits is asked again whether it may.
    const { id } = await toolNamed(p, server.id, "slow");
    await p.call(routes.disableTool, { params: { id }, body: { reason: "Enough." } });
    await first;
    expect(await stopped).toMatchObject([{ reason: { code: "mcp_tool_disabled" } }]);
    expect((await state("slow")).tool).toMatchObject({ counts: { ok: 1, limited: 2, cancelled: 1 }, breaker: { failures: 0 } });
  });
});

describe("a breaker", () => {
  test("keeps calls away from a tool that does not answer, lets one probe through, and leaves the other tools alone", async () => {
    let shift = 0;
    const registry = new Registry();
    const p = await platforms.open({ now: () => new Date(Date.now() + shift), registry });
    const { call, state } = await chaosWith(p, undefined);
    for (let i = 0; i < LIMITS.mcpToolFailures; i += 1)
      await expect(call("late", { ms: 5_000 }, 60)).rejects.toMatchObject({ code: "mcp_timeout" });
    await expect(call("late", { ms: 1 })).rejects.toMatchObject({ code: "mcp_breaker_open", retryable: true });
    expect((await state("late")).tool?.breaker).toMatchObject({ state: "open", failures: LIMITS.mcpToolFailures });
    expect(await call("echo")).toMatchObject({ isError: false });
    expect((await state("late")).own.breaker.state).toBe("closed");
    shift = LIMITS.mcpBreakerMs;
    expect((await state("late")).tool?.breaker.state).toBe("half_open");
    const [probe, other] = await Promise.allSettled([call("late", { ms: 1_000 }), call("late", { ms: 1_000 })]);
    expect([probe, other].map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect((await state("late")).tool?.breaker).toEqual({ state: "closed", failures: 0, retryAt: null });
    const text = await registry.metrics();
    expect(text).toContain(`auterity_mcp_calls_total{outcome="timeout"} ${LIMITS.mcpToolFailures}`);
    expect(text).toContain('auterity_mcp_calls_total{outcome="breaker"} 2');
    expect(text).toContain("auterity_mcp_call_seconds_count 2");
  });

  test("does not count a tool that says it has failed, nor arguments that do not fit", async () => {
    const p = await platforms.open();
    const { call, state } = await chaosWith(p, undefined);
    for (let i = 0; i < LIMITS.mcpToolFailures * 2; i += 1) {
      expect(await call("leaks")).toMatchObject({ isError: true });
      await expect(call("slow_pattern", { a: 1 })).rejects.toMatchObject({ code: "request_invalid" });
      await expect(call("wrong_structure")).rejects.toMatchObject({ code: "mcp_protocol_error" });
    }
    expect((await state("leaks")).tool).toMatchObject({ breaker: { state: "closed", failures: 0 }, counts: { tool_error: 10 } });
    expect((await state("wrong_structure")).tool).toMatchObject({ breaker: { state: "closed" }, counts: { refused: 10 } });
  });
});

describe("results of read-only tools", () => {
  test("are kept where the settings ask for it, by arguments, and say so", async () => {
    const p = await platforms.open();
    const { server, call, state } = await chaosWith(p, { cacheMs: 60_000 });
    expect(await call("count", { of: 1 })).toMatchObject({ text: "1" });
    expect(await call("count", { of: 1 })).toMatchObject({ text: "1", cached: true });
    expect(await call("count", { of: 2 })).toMatchObject({ text: "2" });
    const step = await p.mcp.executeTool.run(stepCall(db, { server: server.name, tool: "count", arguments: { of: 2 } }));
    expect(step).toMatchObject({ text: "2", cached: true });
    expect((await state("count")).tool?.counts).toMatchObject({ ok: 2, cached: 2 });
  });

  test("are not kept of other tools, of failures, when a tool is left out, or once their time is over", async () => {
    const p = await platforms.open();
    const { call } = await chaosWith(p, { cacheMs: 60_000, tools: { count: { cacheMs: 0 } } });
    expect([await call("count"), await call("count")].map(({ text }) => text)).toEqual(["1", "2"]);
    expect(await call("right_structure")).not.toHaveProperty("cached");
    expect(await call("right_structure")).not.toHaveProperty("cached");
    const brief = await chaosWith(p, { cacheMs: 30 });
    expect(await brief.call("count")).toMatchObject({ text: "1" });
    await vi.waitFor(async () => expect(await brief.call("count")).toMatchObject({ text: "2" }), { timeout: 2_000, interval: 50 });
  });

  test("end with the server's launch, with its process if the settings say so, and are not given while it is taken out", async () => {
    const p = await platforms.open();
    const kept = await chaosWith(p, { cacheMs: 60_000 });
    const forgotten = await chaosWith(p, { cacheMs: 60_000, forgetOnRestart: true });
    for (const { server, call } of [kept, forgotten]) {
      await call("count");
      await p.call(routes.restartMcpServer, { params: { id: server.id } });
    }
    expect(await kept.call("count")).toMatchObject({ text: "1", cached: true });
    expect(await forgotten.call("count")).not.toHaveProperty("cached");
    const params = { id: kept.server.id };
    const launch = { transport: "stdio" as const, command: process.execPath, args: [CHAOS], env: { TOKEN: "another" } };
    await p.call(routes.updateMcpServer, { params, body: { launch } });
    expect(await kept.call("count")).not.toHaveProperty("cached");
    await p.call(routes.quarantineMcpServer, { params, body: { reason: "Who knows." } });
    await expect(kept.call("count")).rejects.toMatchObject({ code: "mcp_server_quarantined" });
  });
});

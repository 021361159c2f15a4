import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import { everythingServer } from "#test/support/mcp/everything.ts";
import { httpServer, modernHttpServer, type HttpFixture } from "#test/support/mcp/modern-server.ts";
import { callerOf, mcpPlatforms, processesOf, register, settled, stepCall, toolNamed } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

const MODERN = fileURLToPath(new URL("../../test/support/mcp/modern-server.ts", import.meta.url));

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
const fixtures: HttpFixture[] = [];

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  await platforms.close();
  for (const one of fixtures.splice(0)) await one.close();
});
afterAll(() => db.close());

const http = (url: string, headers: Record<string, string> = {}) => ({ transport: "http" as const, url, headers });

async function serve(server: Promise<HttpFixture>): Promise<HttpFixture> {
  const started = await server;
  fixtures.push(started);
  return started;
}

describe("Streamable HTTP", () => {
  test("of the 2025 era: listed, called, and left again", async () => {
    const p = await platforms.open();
    const remote = await serve(everythingServer("streamableHttp"));
    const server = await register(p, http(remote.url));
    expect(server).toMatchObject({ state: "READY", confinement: "remote", pid: null, protocolVersion: "2025-11-25" });
    expect(p.allowedUrls).toEqual([remote.url]);
    const request = stepCall(db, { server: server.name, tool: "echo", arguments: { message: "hi" } });
    expect(await p.mcp.executeTool.run(request)).toMatchObject({ text: "Echo: hi" });
    const frames = p.recorded.filter(({ step }) => step !== undefined);
    expect(frames.map(({ direction, kind, method }) => `${direction} ${kind} ${method}`)).toEqual([
      "out request tools/call",
      "in response tools/call",
    ]);
    expect(await p.call(routes.stopMcpServer, { params: { id: server.id } })).toMatchObject({ state: "STOPPED" });
  });

  test("of the 2026 era: listed, called and cancelled", async () => {
    const p = await platforms.open({ secretValues: { key: "s3cret" } });
    const remote = await serve(modernHttpServer());
    const server = await register(p, http(remote.url, { authorization: "secret:key", "x-plain": "yes" }));
    expect(server).toMatchObject({ state: "READY", protocolVersion: "2026-07-28", toolCount: 1 });
    expect(remote.requests[0]?.headers).toMatchObject({ authorization: "s3cret", "x-plain": "yes" });
    const request = stepCall(db, { server: server.name, tool: "greet", arguments: { who: "you" } });
    const { effect, binding } = await p.mcp.executeTool.prepare(request);
    expect(effect).toBe("none");
    expect(await p.mcp.executeTool.run({ ...request, binding })).toMatchObject({ text: "Hello you" });
    const aborted = { ...request, signal: AbortSignal.abort(new Error("cancelled")) };
    await expect(p.mcp.executeTool.run(aborted)).rejects.toMatchObject({ code: "step_cancelled" });
  });

  test("a server that goes away is noticed by the call, and found again when it is back", async () => {
    const p = await platforms.open({ timings: { quickFailures: 1_000 } });
    const remote = await modernHttpServer();
    const server = await register(p, http(remote.url));
    await remote.close();
    const request = stepCall(db, { server: server.name, tool: "greet", arguments: { who: "you" } }, { effect: "none" });
    await expect(p.mcp.executeTool.run(request)).rejects.toMatchObject({ code: "mcp_connection_refused", retryable: true });
    await settled(p, server.id, "STARTING");
    await expect(p.mcp.executeTool.run({ ...request, timeoutMs: 50 })).rejects.toMatchObject({
      code: "mcp_server_not_ready",
      retryable: true,
    });
    const again = await serve(modernHttpServer());
    await p.call(routes.deleteMcpServer, { params: { id: server.id } });
    const moved = await p.call(routes.createMcpServer, { body: { name: server.name, launch: http(again.url) } });
    expect(moved).toMatchObject({ state: "READY" });
    expect(await p.mcp.executeTool.run(request)).toMatchObject({ text: "Hello you" });
  });
});

describe("failures have their class", () => {
  test.each([
    ["mcp_unauthorized", 401, "text/plain", "who are you"],
    ["mcp_forbidden", 403, "text/plain", "not you"],
    ["mcp_endpoint_wrong", 200, "text/html", "<h1>It works</h1>"],
    ["mcp_endpoint_wrong", 404, "text/html", "nothing here"],
    ["mcp_server_failed", 500, "text/plain", "sorry"],
    ["mcp_output_invalid", 200, "application/json", "{"],
  ])("%s for HTTP %i %s", async (code, status, type, body) => {
    const p = await platforms.open({ timings: { quickFailures: 1 } });
    const remote = await serve(httpServer((_request, response) => void response.writeHead(status, { "content-type": type }).end(body)));
    const server = await register(p, http(remote.url));
    expect(server).toMatchObject({ state: "FAILED", lastError: { code } });
  });

  test("mcp_message_too_large for an answer without an end", async () => {
    const p = await platforms.open({ timings: { quickFailures: 1 } });
    const chunk = "x".repeat(1024 * 1024);
    const remote = await serve(
      httpServer((_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const more = (): void => void (response.writable && response.write(chunk, more));
        more();
      }),
    );
    expect(await register(p, http(remote.url))).toMatchObject({ state: "FAILED", lastError: { code: "mcp_message_too_large" } });
  });

  test("mcp_connection_refused where nobody listens, and mcp_timeout where nobody answers", async () => {
    const p = await platforms.open({ timings: { quickFailures: 1, probeMs: 100, handshakeMs: 200 } });
    const gone = await httpServer(() => {});
    await gone.close();
    expect(await register(p, http(gone.url))).toMatchObject({ state: "FAILED", lastError: { code: "mcp_connection_refused" } });
    const silent = await serve(httpServer(() => {}));
    expect(await register(p, http(silent.url))).toMatchObject({ state: "FAILED", lastError: { code: "mcp_timeout" } });
  });

  test("egress_denied for an inside address that no owner has allowed", async () => {
    const p = await platforms.open();
    const remote = await serve(modernHttpServer());
    const server = await register(p, http(remote.url), callerOf(db.tenantId, "designer"));
    expect(server).toMatchObject({ state: "FAILED", lastError: { code: "launch_not_approved" } });
    expect([p.allowedUrls, remote.requests]).toEqual([[], []]);
    expect(await p.call(routes.approveMcpLaunch, { params: { id: server.id } })).toMatchObject({ state: "READY" });
    expect(p.allowedUrls).toEqual([remote.url]);
    // A public address gets no entry from its registration; this test's guard lets nothing else out.
    const outside = await register(p, http("http://93.184.215.14/mcp"));
    expect(outside).toMatchObject({ state: "FAILED", lastError: { code: "egress_denied" } });
    expect(p.allowedUrls).toEqual([remote.url]);
  });
});

test("a stdio server of the 2026 era is spoken to in its own way", async () => {
  const p = await platforms.open();
  const server = await register(p, { transport: "stdio", command: process.execPath, args: [MODERN], env: {} });
  expect(server).toMatchObject({ state: "READY", protocolVersion: "2026-07-28", serverVersion: "2.0.0" });
  const tool = await toolNamed(p, server.id, "greet");
  const call = p.call(routes.callTool, { params: { id: tool.id }, body: { arguments: { who: "you" } } });
  expect(await call).toMatchObject({ text: "Hello you" });
  await p.call(routes.restartMcpServer, { params: { id: server.id } });
  await vi.waitFor(async () => expect(await processesOf(server.id)).toHaveLength(1));
});

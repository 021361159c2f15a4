import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import type { Tool } from "#contract/mcp/tools.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Frame } from "#server/kernel/ports.ts";
import { hostile, mcpPlatforms, published, register, settled, stepCall, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

const call = async (p: McpPlatform, serverId: string, name: string, args: Record<string, string | number | boolean> = {}) => {
  const tool = await toolNamed(p, serverId, name);
  return p.call(routes.callTool, { params: { id: tool.id }, body: { arguments: args, timeoutMs: 5_000 } });
};
const becomes = async (p: McpPlatform, serverId: string, name: string, approval: Tool["approval"]): Promise<Tool> => {
  await vi.waitFor(async () => expect(await toolNamed(p, serverId, name)).toMatchObject({ approval }), { timeout: 5_000, interval: 10 });
  return toolNamed(p, serverId, name);
};

describe("calls", () => {
  test("go through with their result, in a run and outside", async () => {
    const p = await platforms.open();
    const server = await register(p, published("everything"));
    const request = stepCall(db, { server: server.name, tool: "get-structured-content", arguments: { location: "Chicago" } });
    const { binding, effect } = await p.mcp.executeTool.prepare(request);
    const tool = await toolNamed(p, server.id, "get-structured-content");
    expect({ binding, effect }).toEqual({ binding: { tool_hash: tool.hash, server_id: server.id }, effect: tool.effect });
    const output = await p.mcp.executeTool.run({ ...request, binding });
    expect(output).toMatchObject({ isError: false, structuredContent: { temperature: 36 }, content: [{ type: "text" }] });
    expect(await call(p, server.id, "echo", { message: "hi" })).toMatchObject({ text: "Echo: hi", isError: false });
  });

  test("carry the step's idempotency key", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const output = await p.mcp.executeTool.run(stepCall(db, { server: server.name, tool: "meta", arguments: {} }, { key: "k-42" }));
    expect(output).toMatchObject({ text: '{"auterity.dev/idempotency-key":"k-42"}' });
  });

  test("with wrong arguments never leave the platform", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    p.recorded.length = 0;
    await expect(call(p, server.id, "add", { a: "one" })).rejects.toMatchObject({
      code: "request_invalid",
      issues: expect.arrayContaining([expect.objectContaining({ path: "arguments.b" }), expect.objectContaining({ path: "arguments.a" })]),
    });
    expect(p.recorded).toEqual([]);
  });

  test.each([
    ["fail", { code: "tool_failed", message: "no such customer", retryable: false }],
    ["refuse", { code: "mcp_protocol_error", message: "The server refused the call: no, never" }],
    ["huge", { code: "mcp_message_too_large", message: expect.stringContaining("longer than") }],
    ["crash", { code: "mcp_exited", retryable: false }],
    ["unheard-of", { code: "mcp_tool_unknown" }],
  ])("to %s fail with their class", async (tool, error) => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    await expect(p.mcp.executeTool.run(stepCall(db, { server: server.name, tool }))).rejects.toMatchObject(error);
    await settled(p, server.id, "READY");
  });

  test("that say they failed are an answer outside a run", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    expect(await call(p, server.id, "fail")).toMatchObject({ isError: true, text: "no such customer" });
  });

  test("that hang end at their deadline, and the server is told", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const hanging = stepCall(db, { server: server.name, tool: "hang" }, { timeoutMs: 100 });
    await expect(p.mcp.executeTool.run(hanging)).rejects.toMatchObject({ code: "mcp_timeout", retryable: false });
    const tool = await toolNamed(p, server.id, "hang");
    await p.call(routes.approveTool, { params: { id: tool.id }, body: { hash: tool.hash, effect: "idempotent" } });
    const harmless = { ...hanging, effect: "idempotent" } as const;
    await expect(p.mcp.executeTool.run(harmless)).rejects.toMatchObject({ code: "mcp_timeout", retryable: true });
    // The author's word on a step is worth more than what was approved.
    await expect(p.mcp.executeTool.run(hanging)).rejects.toMatchObject({ code: "mcp_timeout", retryable: false });
    // A step's own time ends with that of its call: the breaker hears that nobody has answered.
    const overdue = new AppError("step_timeout", "Expected an answer within 100 ms; none came.");
    const signal = AbortSignal.timeout(60);
    const late = new AbortController();
    signal.addEventListener("abort", () => late.abort(overdue), { once: true });
    await expect(p.mcp.executeTool.run({ ...hanging, signal: late.signal })).rejects.toMatchObject({ code: "mcp_timeout" });
    const { tools } = await p.call(routes.getServerCalls, { params: { id: server.id } });
    expect(tools).toMatchObject([{ name: "hang", breaker: { failures: 4 }, counts: { timeout: 4, cancelled: 0 } }]);
    expect(cancellations(p.recorded)).toHaveLength(4);
  });

  test("that are cancelled end at once, and the server is told", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const cancel = new AbortController();
    const running = p.mcp.executeTool.run(stepCall(db, { server: server.name, tool: "hang" }, { signal: cancel.signal }));
    await vi.waitFor(() => expect(p.recorded.some(({ method, kind }) => method === "tools/call" && kind === "request")).toBe(true));
    cancel.abort(new Error("the run was cancelled"));
    await expect(running).rejects.toMatchObject({ code: "step_cancelled" });
    expect(cancellations(p.recorded)).toMatchObject([{ step: { nodeId: "call" } }]);
    await vi.waitFor(async () => {
      const { items } = await p.call(routes.listServerLogs, { params: { id: server.id } });
      expect(items.map(({ text }) => text)).toContain("cancelled");
    });
  });

  test("to unknown servers, and with an input that is none, are refused", async () => {
    const p = await platforms.open();
    await expect(p.mcp.executeTool.prepare(stepCall(db, { server: "nobody", tool: "x" }))).rejects.toMatchObject({
      code: "mcp_server_unknown",
    });
    await expect(p.mcp.executeTool.run(stepCall(db, ["x"]))).rejects.toMatchObject({ code: "request_invalid" });
  });

  test("of a step that was bound to another server of this name are refused", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const request = stepCall(db, { server: server.name, tool: "late", arguments: {} });
    const { binding } = await p.mcp.executeTool.prepare(request);
    await p.call(routes.deleteMcpServer, { params: { id: server.id } });
    await p.call(routes.createMcpServer, { body: { name: server.name, launch: hostile() } });
    await expect(p.mcp.executeTool.run({ ...request, binding })).rejects.toMatchObject({ code: "tool_changed", retryable: false });
    await p.mcp.stop();
    const late = p.call(routes.createMcpServer, { body: { name: "too-late", launch: hostile() } });
    await expect(late).rejects.toMatchObject({ code: "unavailable" });
  });

  test("to a server that is stopped fail, and may be tried again", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    await p.call(routes.stopMcpServer, { params: { id: server.id } });
    const request = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    const prepared = await p.mcp.executeTool.prepare(request);
    await expect(p.mcp.executeTool.run({ ...request, ...prepared })).rejects.toMatchObject({
      code: "mcp_server_not_ready",
      retryable: true,
    });
  });
});

const cancellations = (frames: readonly Frame[]): Frame[] => frames.filter(({ method }) => method === "notifications/cancelled");

describe("frames", () => {
  test("join each exchange with the step that caused it", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    p.recorded.length = 0;
    const request = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    await Promise.all([p.mcp.executeTool.run(request), call(p, server.id, "add", { a: 3, b: 4 })]);
    const asked = p.recorded.filter(({ direction }) => direction === "out");
    const answers = p.recorded.filter(({ direction }) => direction === "in");
    const remote = `mcp:${server.name}`;
    expect(asked[0]).toMatchObject({
      tenantId: db.tenantId,
      protocol: "mcp",
      direction: "out",
      kind: "request",
      method: "tools/call",
      from: "auterity",
      to: remote,
    });
    expect(asked.map(({ step }) => step).filter(Boolean)).toEqual([request.step]);
    expect(answers).toHaveLength(2);
    const answer = answers.find(({ step }) => step !== undefined);
    expect(answer).toMatchObject({
      direction: "in",
      kind: "response",
      method: "tools/call",
      step: request.step,
      from: remote,
      latencyMs: expect.any(Number),
    });
    expect(p.recorded.filter(({ correlationId }) => correlationId === answer?.correlationId)).toHaveLength(2);
    expect(answer?.content).toMatchObject({ result: { content: [{ text: "3" }] } });
  });

  test("hold the handshake, its refusals and the lists", async () => {
    const p = await platforms.open();
    await register(p, hostile());
    const seen = p.recorded.map(({ direction, kind, method }) => `${direction} ${kind} ${method}`);
    expect(seen.slice(0, 5)).toEqual([
      "out request server/discover",
      "in error server/discover",
      "out request initialize",
      "in response initialize",
      "out notification notifications/initialized",
    ]);
    expect(seen.filter((line) => line === "in response tools/list")).toHaveLength(3);
  });
});

describe("pinning", () => {
  test("a changed description blocks the tool until exactly that definition is approved", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const request = stepCall(db, { server: server.name, tool: "add", arguments: { a: 1, b: 2 } });
    const prepared = await p.mcp.executeTool.prepare(request);
    const before = await toolNamed(p, server.id, "add");
    await call(p, server.id, "change");
    const changed = await becomes(p, server.id, "add", "changed");
    expect(changed).toMatchObject({ id: before.id, description: "Adds two numbers. Always." });
    await expect(p.mcp.executeTool.run({ ...request, ...prepared })).rejects.toMatchObject({ code: "tool_changed", retryable: false });
    await expect(p.mcp.executeTool.prepare(request)).rejects.toMatchObject({ code: "tool_changed" });
    await expect(call(p, server.id, "add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "tool_changed" });
    expect(p.audited).toContainEqual(expect.objectContaining({ action: "mcp_tool.call", outcome: "deny", reason: "tool_changed" }));
    expect(p.audited).toContainEqual(expect.objectContaining({ action: "mcp_tool.changed", target: `mcp_tool:${before.id}` }));

    const approve = (hash: string) => p.call(routes.approveTool, { params: { id: before.id }, body: { hash } });
    await expect(approve(before.hash)).rejects.toMatchObject({ code: "conflict" });
    expect(await approve(changed.hash)).toMatchObject({ approval: "approved", effect: "none" });
    // The step was bound to the old definition.
    await expect(p.mcp.executeTool.run({ ...request, ...prepared })).rejects.toMatchObject({ code: "tool_changed" });
    expect(await call(p, server.id, "add", { a: 1, b: 2 })).toMatchObject({ text: "3" });
  });

  test("a change is found on reconnecting, even when nothing was announced", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    const add = await toolNamed(p, server.id, "add");
    await db.ownerPool.query("update mcp_tools set hash = 'old', approved_hash = 'old' where id = $1", [add.id]);
    await p.mcp.stop();
    const next = await platforms.open();
    await next.mcp.start();
    await settled(next, server.id, "READY");
    expect(await toolNamed(next, server.id, "add")).toMatchObject({ approval: "changed" });
  });

  test("a tool that appears later waits for approval, and its claims do not count until then", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile("late-tool"));
    const late = await becomes(p, server.id, "late", "pending");
    expect(late.effect).toBe("once");
    await expect(call(p, server.id, "late")).rejects.toMatchObject({ code: "mcp_tool_not_approved" });
    await p.call(routes.approveTool, { params: { id: late.id }, body: { hash: late.hash, effect: "idempotent" } });
    expect(await call(p, server.id, "late")).toMatchObject({ text: "late" });
    expect(await toolNamed(p, server.id, "late")).toMatchObject({ approval: "approved", effect: "idempotent" });
  });

  test("what the scan finds is never approved by registration", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile("poisoned"));
    const poison = await toolNamed(p, server.id, "poison");
    expect(poison).toMatchObject({ approval: "pending", findings: ["description: hidden tag characters (U+E0072)"] });
    expect(await toolNamed(p, server.id, "add")).toMatchObject({ approval: "approved" });
    await expect(p.mcp.executeTool.prepare(stepCall(db, { server: server.name, tool: "poison" }))).rejects.toMatchObject({
      code: "mcp_tool_not_approved",
    });
  });

  test("a server whose tools keep changing is taken out until a person releases it", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    for (const to of ["one", "Adds two numbers.", "two"]) {
      await call(p, server.id, "change", { to });
      await becomes(p, server.id, "add", to.startsWith("Adds") ? "approved" : "changed");
    }
    const out = await settled(p, server.id, "QUARANTINED");
    expect(out).toMatchObject({ pid: null, quarantine: { reason: "Its tools keep changing.", by: "system:mcp" } });
    await expect(call(p, server.id, "change")).rejects.toMatchObject({ code: "mcp_server_quarantined" });
    await expect(p.call(routes.startMcpServer, { params: { id: server.id } })).rejects.toMatchObject({ code: "mcp_server_quarantined" });
    const released = await p.call(routes.releaseMcpServer, { params: { id: server.id } });
    expect(released).toMatchObject({ state: "READY", lastError: null, quarantine: null });
  });

  test("names that could deceive, and second tools of one name, are left out and said so", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile("odd-names"));
    const { items } = await p.call(routes.listServerTools, { params: { id: server.id } });
    expect(items.map(({ name }) => name)).not.toContain("../x");
    expect(items.filter(({ name }) => name === "add")).toMatchObject([{ description: "Adds two numbers." }]);
    const logs = await p.call(routes.listServerLogs, { params: { id: server.id } });
    expect(logs.items.map(({ text }) => text)).toEqual(
      expect.arrayContaining([expect.stringContaining("left out a tool whose name"), "left out a second tool named add"]),
    );
  });
});

test("the child sees a fixed environment and nothing of ours", async () => {
  vi.stubEnv("AUTERITY_CANARY", "sk-canary");
  const p = await platforms.open({ secretValues: { api_key: "s3cret" } });
  const server = await register(p, { ...hostile(), env: { API_KEY: "secret:api_key", MODE: "fast" } });
  const { text } = await call(p, server.id, "environment");
  const environment: unknown = JSON.parse(text);
  expect(Object.keys(environment ?? {}).sort()).toEqual(["API_KEY", "AUTERITY_INSTANCE", "HOME", "LANG", "MODE", "PATH", "TMPDIR"]);
  // Only the true value is taken out of an answer, so this shows that the child has it.
  expect(environment).toMatchObject({ API_KEY: "[redacted]", MODE: "fast" });
  vi.unstubAllEnvs();
  const missing = await register(p, { ...hostile(), env: { API_KEY: "secret:nothing_here" } });
  expect(missing).toMatchObject({ state: "FAILED", lastError: { code: "secret_missing" } });
});

test("tools of all servers are listed in pages and found by what they say", async () => {
  const p = await platforms.open();
  const server = await register(p, hostile());
  const first = await p.call(routes.listTools, { query: { limit: 5 } });
  expect(first.items).toHaveLength(5);
  const second = await p.call(routes.listTools, { query: { limit: 5, cursor: first.nextCursor ?? "" } });
  expect(second.items.every(({ id }) => first.items.every((tool) => tool.id !== id))).toBe(true);
  const found = await p.call(routes.listTools, { query: { q: "ENDS THE PROCESS" } });
  expect(found.items).toContainEqual(expect.objectContaining({ name: "crash", serverName: server.name }));
  await expect(p.call(routes.listTools, { query: { cursor: "nonsense" } })).rejects.toMatchObject({ code: "cursor_invalid" });
});

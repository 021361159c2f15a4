import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { listServerProcesses } from "#contract/mcp/processes.ts";
import { restartMcpServer, stopMcpServer } from "#contract/mcp/servers.ts";
import { callTool } from "#contract/mcp/tools.ts";
import { newId } from "#server/kernel/ids.ts";
import { hostile, mcpPlatforms, register, settled, stepCall, toolNamed } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

describe("a server's processes", () => {
  test("are listed with what they use and may use, and counted by Prometheus; starts that are over stay listed", async () => {
    const registry = new Registry();
    const p = await platforms.open({ registry, timings: { watchMs: 50, diskLookMs: 50 } });
    const server = await register(p, { ...hostile("grandchild"), caps: { processes: 9 } });
    const read = () => p.call(listServerProcesses, { params: { id: server.id } });
    await vi.waitFor(async () => expect((await read()).items[0]?.usage?.processes).toBe(2), { timeout: 10_000 });
    const { caps, items } = await read();
    expect(caps).toMatchObject({ processes: 9, memoryBytes: LIMITS.mcpMemoryBytes, openFiles: LIMITS.mcpOpenFiles });
    expect(items).toMatchObject([{ pid: server.pid, endedAt: null, exitCode: null, usage: { processes: 2 } }]);
    expect(items[0]?.usage?.memoryBytes).toBeGreaterThan(10 * 1024 * 1024);
    expect(items[0]?.usage?.openFiles).toBeGreaterThan(5);
    expect(items[0]?.usage?.cpuMs).toBeGreaterThan(0);
    expect(await registry.metrics()).toContain("auterity_mcp_servers_processes 2");
    await p.call(restartMcpServer, { params: { id: server.id } });
    await p.call(stopMcpServer, { params: { id: server.id } });
    const after = await read();
    expect(after.items).toMatchObject([
      { endedAt: expect.any(String), usage: null },
      { endedAt: expect.any(String), usage: null },
    ]);
    expect(await registry.metrics()).toContain("auterity_mcp_servers_processes 0");
    await expect(p.call(listServerProcesses, { params: { id: newId() } })).rejects.toMatchObject({ code: "not_found" });
  });

  test("S-10: their environment is what was registered and what every program needs, nothing of the platform's", async () => {
    const p = await platforms.open({ secretValues: { token: "hunter2-hunter2" } });
    const server = await register(p, { ...hostile(), env: { TOKEN: "secret:token", MODE: "quick" } });
    const tool = await toolNamed(p, server.id, "environment");
    const { text } = await p.call(callTool, { params: { id: tool.id }, body: {} });
    const names = Object.keys(JSON.parse(text)).toSorted();
    expect(names).toEqual(["AUTERITY_INSTANCE", "HOME", "LANG", "MODE", "PATH", "TMPDIR", "TOKEN"]);
    expect(names).toEqual(expect.not.arrayContaining(Object.keys(process.env).filter((name) => !["HOME", "LANG", "PATH"].includes(name))));
  });

  test("S-26: one that ends at once is started a few times with growing pauses, however often it is asked for", async () => {
    const p = await platforms.open({ timings: { restart: { backoffMs: 50, factor: 2, maxMs: 400, jitter: 0 }, quickFailures: 3 } });
    const other = await register(p, hostile());
    const server = await register(p, hostile("exits"));
    const asked = Array.from({ length: 100 }, () =>
      p.mcp.executeTool.prepare(stepCall(db, { server: server.name, tool: "add" })).catch((error: unknown) => error),
    );
    await settled(p, server.id, "FAILED");
    for (const error of await Promise.all(asked)) expect(error).toMatchObject({ code: expect.stringMatching(/^mcp_/) });
    const { items } = await p.call(listServerProcesses, { params: { id: server.id } });
    // Three attempts, of which the first also tried the other era.
    expect(items).toHaveLength(4);
    const call = stepCall(db, { server: other.name, tool: "add", arguments: { a: 1, b: 2 } });
    expect(await p.mcp.executeTool.run(call)).toMatchObject({ text: "3" });
  });

  test("starts and ends are in the audit trail, with how they ended and what was left", async () => {
    const p = await platforms.open();
    const server = await register(p, hostile());
    await p.call(stopMcpServer, { params: { id: server.id } });
    const rows = p.audited.filter(({ action }) => action.startsWith("mcp_process."));
    expect(rows).toMatchObject([
      { actor: "system:mcp", action: "mcp_process.starting", target: `mcp_server:${server.id}`, details: { process: expect.any(String) } },
      { actor: "system:mcp", action: "mcp_process.exited", details: { exit: "exit code 0", survivors: 0 } },
    ]);
  });
});

import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Launch } from "#contract/mcp/servers.ts";
import { ROUTES as routes } from "#contract/routes.ts";
import { COMPUTED } from "#server/kernel/known-value.ts";
import type { McpDeps } from "#server/mcp/index.ts";
import { diagnosisPlatform, type DiagnosisPlatform } from "#test/support/mcp/diagnosis.ts";
import { callerOf, hostile, published, register, toolNamed } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let p: DiagnosisPlatform;
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => p.close());
afterAll(() => db.close());

/** What the check says of a launch that is registered but not started. */
async function findingsOf(launch: Launch, role: "owner" | "designer" = "owner") {
  const name = `s${Math.random().toString(36).slice(2, 12)}`;
  const server = await p.call(routes.createMcpServer, { body: { name, launch, start: false } }, callerOf(db.tenantId, role));
  const { ok, findings } = await p.call(routes.checkMcpServer, { params: { id: server.id } });
  expect(ok).toBe(findings.length === 0);
  for (const { cause, message, remedy } of findings)
    expect([message, remedy, cause].map((text) => text.length > 0)).toEqual([true, true, true]);
  return findings.map(({ path, code }) => [path, code]);
}

describe("the check without a start", () => {
  test("finds nothing wrong with a server that works", async () => {
    p = await diagnosisPlatform(db, { secretValues: { token: "hunter2-hunter2" } });
    expect(await findingsOf({ ...hostile(), env: { TOKEN: "secret:token" } })).toEqual([]);
  });

  test("finds everything that is wrong in one pass, and starts nothing", async () => {
    p = await diagnosisPlatform(db, { secretValues: { token: "hunter2-hunter2" } });
    const launch = {
      ...hostile(),
      command: "no-such-command-here",
      args: ["--key=secret:lost", "secret:token"],
      cwd: "/no/such/folder",
      env: { API_KEY: "secret:gone", TOKEN: "secret:token" },
    };
    expect(await findingsOf(launch, "designer")).toEqual([
      ["launch.cwd", "mcp_command_not_found"],
      ["launch.command", "mcp_command_not_found"],
      ["launch", "launch_not_approved"],
      ["launch.env.API_KEY", "secret_missing"],
      ["launch.args.0", "secret_missing"],
    ]);
    expect(p.audited.filter(({ action }) => action === "mcp_process.starting")).toEqual([]);
  });

  test.each([
    ["a port of a database", "http://93.184.216.34:5432/mcp", "egress_denied"],
    ["an address inside that nobody has allowed", "http://10.11.12.13/mcp", "egress_denied"],
    ["a name that nobody knows", "http://no-such-host.invalid/mcp", "mcp_dns_failed"],
  ])("finds %s", async (_name, url, code) => {
    p = await diagnosisPlatform(db);
    const launch = { transport: "http" as const, url, headers: { authorization: "secret:gone" } };
    expect(await findingsOf(launch, "designer")).toEqual([
      ["launch", "launch_not_approved"],
      ["launch.headers.authorization", "secret_missing"],
      ["launch.url", code],
    ]);
  });

  test("finds that a sandbox is asked for where there is no bwrap", async () => {
    p = await diagnosisPlatform(db, { path: "/no/such/folder" });
    expect(await findingsOf({ ...hostile(), sandbox: { read: [], write: [], network: "none" } })).toEqual([
      ["launch.sandbox", "mcp_sandbox_unavailable"],
    ]);
  });

  test("finds only that a command has gone, not that its launch would have to be approved again", async () => {
    p = await diagnosisPlatform(db);
    const folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-gone-")));
    const command = join(folder, "server");
    await writeFile(command, "#!/bin/sh\n", { mode: 0o755 });
    const { id } = await p.call(routes.createMcpServer, { body: { name: "gone", launch: { ...hostile(), command }, start: false } });
    await rm(folder, { recursive: true });
    const { findings } = await p.call(routes.checkMcpServer, { params: { id } });
    expect(findings.map(({ path, code }) => [path, code])).toEqual([["launch.command", "mcp_command_not_found"]]);
  });

  test("finds steps of workflows that call a tool which the server does not list", async () => {
    const uses: Awaited<ReturnType<McpDeps["toolsUsed"]>> = [
      { workflow: "Sums", nodeId: "first", tool: "add", arguments: { a: 1, b: COMPUTED } },
      { workflow: "Sums", nodeId: "second", tool: "subtract", arguments: {} },
    ];
    p = await diagnosisPlatform(db, { toolsUsed: () => Promise.resolve(uses) });
    const server = await register(p, hostile());
    const { findings } = await p.call(routes.checkMcpServer, { params: { id: server.id } });
    expect(findings).toMatchObject([
      { path: "workflows.Sums.second", code: "mcp_tool_unknown", message: expect.stringContaining("subtract") },
    ]);
    expect((await p.call(routes.testMcpServer, { params: { id: server.id } })).findings).toEqual(findings);
  });
});

describe("the sample of a tool", () => {
  test("fits its schema, is accepted by the server, and says what an answer must look like", async () => {
    p = await diagnosisPlatform(db);
    const server = await register(p, hostile());
    const { id, hash } = await toolNamed(p, server.id, "add");
    const sample = await p.call(routes.getToolSample, { params: { id } });
    expect(sample).toMatchObject({ toolId: id, hash, expected: { isError: false, structuredContent: null, outputSchema: null } });
    expect(await p.call(routes.callTool, { params: { id }, body: { arguments: sample.arguments } })).toMatchObject({ isError: false });
    await expect(p.call(routes.getToolSample, { params: { id: server.id } })).rejects.toMatchObject({ code: "not_found" });
  });

  test("has an example of structured content that fits the output schema", async () => {
    p = await diagnosisPlatform(db);
    const server = await register(p, published("everything"));
    const { id, outputSchema } = await toolNamed(p, server.id, "get-structured-content");
    const sample = await p.call(routes.getToolSample, { params: { id } });
    expect(sample.expected.outputSchema).toEqual(outputSchema);
    expect(Object.keys(outputSchema?.["properties"] ?? {})).toEqual(Object.keys(sample.expected.structuredContent ?? {}));
    const report = await p.call(routes.testMcpServer, { params: { id: server.id }, body: { tool: "get-structured-content" } });
    expect(report.stages.at(-1)).toMatchObject({ status: "ok", detail: expect.stringContaining("fits the output schema") });
  });
});

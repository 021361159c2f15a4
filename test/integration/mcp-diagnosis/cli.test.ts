import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { checkServer, testServer } from "#cli/commands/mcp-test.ts";
import { hostile } from "#test/support/mcp/platform.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let at: StartedPlatform;
let out = "";
beforeAll(async () => {
  at = await startedPlatform();
  for (const [name, modes] of Object.entries({ good: [], bad: ["exits"] })) {
    await at.client.createMcpServer({ body: { name, launch: hostile(...modes), start: false } });
  }
  const lost = { ...hostile(), env: { API_KEY: "secret:lost" } };
  await at.client.createMcpServer({ body: { name: "lost", launch: lost, start: false } });
  // A step that calls a tool of a server which has never listed any says nothing yet.
  const call = { id: "call", type: "mcp_tool", data: { server: "good", tool: "nothing", arguments: {} } };
  const edges = [
    { id: "a", source: "start", target: "call" },
    { id: "b", source: "call", target: "end" },
  ];
  const nodes = [{ id: "start", type: "start" }, call, { id: "end", type: "end" }];
  await at.client.createWorkflow({ body: { name: "Calls", definition: { version: 2, name: "Calls", nodes, edges } } });
});
afterAll(() => at.close());
beforeEach(() => {
  out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((out += String(text)), true));
});
afterEach(() => void vi.restoreAllMocks());

test("mcp test prints the stages of a server that works", async () => {
  expect(await testServer(at.client, "good", { output: "table", tool: "add", arguments: ["a=1", "b=2"] })).toBe(0);
  for (const part of ["STAGE", "MS", "launch", "handshake", "list", "ping", "good works: protocol 2025-11-25"]) expect(out).toContain(part);
});

test("mcp test says why a server fails and what to do, and ends with 1", async () => {
  expect(await testServer(at.client, "bad", { output: "table" })).toBe(1);
  for (const part of [
    "failed at handshake with mcp_exited",
    "Cause:",
    "Remedy: Run the command in a terminal",
    "cannot open the database",
  ]) {
    expect(out).toContain(part);
  }
  out = "";
  expect(await testServer(at.client, "bad", { output: "json" })).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ ok: false, failure: { code: "mcp_exited", evidence: { exit: "exit code 3" } } });
});

test("mcp check prints what would keep a server from working", async () => {
  expect(await checkServer(at.client, "lost", "table")).toBe(1);
  for (const part of ["launch.env.API_KEY", "secret_missing"]) expect(out).toContain(part);
  out = "";
  expect(await checkServer(at.client, "good", "table")).toBe(0);
  expect(out).toContain("Nothing keeps good from starting");
  await at.client.startMcpServer({ params: { id: await idOf("good") } });
  out = "";
  expect(await checkServer(at.client, "good", "table")).toBe(1);
  for (const part of ["workflows.Calls.call", "mcp_tool_unknown"]) expect(out).toContain(part);
});

const idOf = async (name: string): Promise<string> =>
  (await at.client.listMcpServers({ query: {} })).items.find((server) => server.name === name)?.id ?? "";

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import * as tools from "#cli/commands/mcp-tools.ts";
import { changingServer, plainTool, type ChangingServer } from "#test/support/mcp/changing.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/* A tool that changes, from the command line: what waits, what differs, who is held up, and the decision. */
let at: StartedPlatform;
let server: ChangingServer;
let [out, notices] = ["", ""];

beforeAll(async () => {
  at = await startedPlatform();
  server = await changingServer({ tools: [plainTool()] });
  await at.client.createMcpServer({ body: { name: "sums", launch: server.launch } });
});
beforeEach(() => {
  [out, notices] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((notices += String(text)), true));
});
afterEach(() => void vi.restoreAllMocks());
afterAll(async () => {
  await at.close();
  await server.remove();
});

const changesTo = async (change: Parameters<typeof plainTool>[0], approval: string): Promise<void> => {
  await server.says({ tools: [plainTool(change)] });
  const isSo = async (): Promise<void> => expect(await tools.toolNamed(at.client, "sums/add")).toMatchObject({ approval });
  await vi.waitFor(isSo, { timeout: 10_000, interval: 20 });
};

test("a changed tool is found, compared and approved, and the run that waited for it goes on", async () => {
  await changesTo({ description: "Adds three numbers." }, "changed");
  await tools.listTools(at.client, { pending: true, output: "table" });
  expect(out).toMatch(/sums\s+add\s+changed/);

  const nodes = [
    { id: "start", type: "start" },
    { id: "sum", type: "mcp_tool", data: { server: "sums", tool: "add" } },
    { id: "end", type: "end", data: { output: "=steps.sum.text" } },
  ];
  const edges = [
    { id: "a", source: "start", target: "sum" },
    { id: "b", source: "sum", target: "end" },
  ];
  const { id } = await at.client.createWorkflow({ body: { name: "Sums", definition: { version: 2, name: "Sums", nodes, edges } } });
  const run = await at.client.startRun({ params: { id }, body: { input: {} } });
  const isWaiting = async (): Promise<void> =>
    expect((await at.client.getRun({ params: { id: run.id } })).questions).toMatchObject([{ nodeId: "sum", code: "tool_changed" }]);
  await vi.waitFor(isWaiting, { timeout: 10_000, interval: 20 });

  out = "";
  await tools.showDiff(at.client, "sums/add", { output: "table" });
  expect(out).toMatch(/sums\/add is changed: [0-9a-f]{12} → [0-9a-f]{12}/);
  expect(out).toMatch(/~ description: Adds .*two.*three.* numbers\./);
  expect(out).toContain("used by Sums version 1 in sum; 1 live runs");
  expect(out).toContain(`run ${run.id} waits at sum`);

  const [, before, shown] = /([0-9a-f]{12}) → ([0-9a-f]{12})/.exec(out) ?? [];
  out = "";
  await expect(tools.approveTools(at.client, "sums/add", { hash: before ?? "", output: "table" })).rejects.toThrow(`by now: ${shown}`);
  await expect(tools.rejectTool(at.client, "sums/add", { reason: "no", hash: shown?.slice(1) ?? "", output: "table" })).rejects.toThrow(
    "at least the first 12",
  );
  expect(await tools.approveTools(at.client, "sums/add", { hash: shown ?? "", output: "table" })).toBe(0);
  expect(out).toBe("sums/add is approved; effect once.\n");
  expect(await at.client.waitForRun(run.id)).toMatchObject({ status: "succeeded", output: "add" });

  // A schedule that names the version keeps it in use when a newer one calls something else.
  await at.client.createSchedule({ body: { workflowId: id, version: 1, cron: "0 0 1 1 *" } });
  const none = {
    version: 2,
    name: "Sums",
    nodes: [nodes[0], { ...nodes[2], data: {} }],
    edges: [{ id: "a", source: "start", target: "end" }],
  };
  await at.client.updateWorkflow({ params: { id }, body: { definition: none, baseVersion: 1 } });
  out = "";
  await tools.showDiff(at.client, "sums/add", { output: "table" });
  expect(out).toContain("used by Sums version 1 (older) in sum; 0 live runs");
});

test("what the scan holds back is approved only in words, and nothing of it reaches the terminal", async () => {
  await changesTo({ description: "Adds.\u001B[2J<!-- x -->\u{E0072}" }, "changed");
  await tools.showDiff(at.client, "sums/add", { output: "table" });
  expect(out).toContain("⟦U+001B⟧[2J<!-- x -->⟦U+E0072⟧");
  expect(out).toContain("! description: hidden tag characters (U+E0072)");
  expect(out).not.toContain("\u001B[2J");
  expect(out).not.toContain("\u{E0072}");
  expect(await tools.approveTools(at.client, undefined, { all: true, server: "sums", output: "table" })).toBe(1);
  expect(notices).toContain("The scan has found something in the definition of add");
  expect(await tools.approveTools(at.client, undefined, { all: true, acceptFindings: true, effect: "idempotent", output: "table" })).toBe(
    0,
  );
  expect(out).toContain("sums/add is approved; effect idempotent.");
  await expect(tools.approveTools(at.client, "sums/add", { all: true, output: "table" })).rejects.toThrow(/either/);
});

test("a tool is rejected, disabled and enabled with a reason", async () => {
  await changesTo({ title: "Sum" }, "changed");
  expect(await tools.rejectTool(at.client, "sums/add", { reason: "It has another name.", output: "table" })).toBe(0);
  expect(await tools.toolNamed(at.client, "sums/add")).toMatchObject({ approval: "rejected", reason: "It has another name." });
  expect(await tools.approveTools(at.client, undefined, { all: true, output: "table" })).toBe(0);
  expect(notices).toContain("Nothing waits for a decision.");
  await tools.disableTool(at.client, "sums/add", { reason: "For today.", output: "table" });
  await tools.listTools(at.client, { approval: "rejected", output: "table" });
  expect(out).toMatch(/rejected, disabled/);
  await tools.enableTool(at.client, "sums/add", "table");
  expect(notices).toContain("sums/add is enabled and rejected.");
  await expect(tools.enableTool(at.client, "sums/none", "table")).rejects.toThrow(/no tool/);
});

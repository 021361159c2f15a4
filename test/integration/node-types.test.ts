import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { RouteResponse } from "#contract/route.ts";
import type { Run } from "#contract/runs.ts";
import type { ToolPreset, listNodeTypes } from "#contract/workflows.ts";
import { changingServer, plainTool, type ChangingServer } from "#test/support/mcp/changing.ts";
import { published } from "#test/support/mcp/platform.ts";
import { addTenant, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";
import { createClient } from "#sdk/client.ts";

/* Acceptance 3.1 and 3.2: what a registered server lists can be put into a workflow as it comes, and does there what it does by itself. */
let at: StartedPlatform;
let direct: Client;
let changing: ChangingServer;

beforeAll(async () => {
  at = await startedPlatform();
  const { command, args } = published("everything");
  // As the platform does, it can ask people: the server has two tools only for such clients.
  direct = new Client({ name: "direct", version: "1.0.0" }, { capabilities: { elicitation: { form: {}, url: {} } } });
  await direct.connect(new StdioClientTransport({ command, args, stderr: "ignore" }));
  await at.client.createMcpServer({ body: { name: "everything", launch: published("everything") } });
  changing = await changingServer({ tools: [plainTool(), plainTool({ name: "subtract", title: "Sub\u200Btract" })] });
  await at.client.createMcpServer({ body: { name: "sums", launch: changing.launch } });
  await at.client.createMcpServer({ body: { name: "tried-out", environment: "test", launch: published("memory") } });
});
afterAll(async () => {
  await direct.close();
  await at.close();
  await changing.remove();
});

type Answer = RouteResponse<typeof listNodeTypes>;
const nodeTypes = (query: object = {}): Promise<Answer> => at.client.listNodeTypes({ query: { limit: 200, ...query } });
const toolsOf = async (server: string, query: object = {}): Promise<ToolPreset[]> =>
  (await nodeTypes(query)).tools.items.filter(({ serverName }) => serverName === server);
const namesOf = async (server: string, query?: object): Promise<string[]> =>
  (await toolsOf(server, query)).map(({ data }) => data.tool).sort();

async function named(server: string, tool: string): Promise<ToolPreset> {
  const found = (await toolsOf(server)).find(({ data }) => data.tool === tool);
  if (!found) throw new Error(`node-types has no ${server}/${tool}`);
  return found;
}

/** A workflow of the one node, as `node-types` has given it, with arguments. */
async function runOf({ type, data }: ToolPreset, args: Record<string, string | number | boolean>): Promise<Run> {
  const nodes = [
    { id: "start", type: "start" },
    { id: "call", type, data: { ...data, arguments: args } },
    { id: "end", type: "end", data: { output: "=steps.call" } },
  ];
  const edges = [
    { id: "a", source: "start", target: "call" },
    { id: "b", source: "call", target: "end" },
  ];
  const name = `Calls ${data.tool}`;
  const { id } = await at.client.createWorkflow({ body: { name, definition: { version: 2, name, nodes, edges } } });
  return at.client.waitForRun((await at.client.startRun({ params: { id }, body: { input: {} } })).id);
}

describe("node-types", () => {
  test("has the tools of a registered server, each as the server itself describes it", async () => {
    const { tools } = await direct.listTools();
    const presets = await toolsOf("everything");
    expect(presets.map(({ data }) => data.tool).sort()).toEqual(tools.map(({ name }) => name).sort());
    for (const { name, title, description, inputSchema, outputSchema } of tools) {
      const preset = presets.find(({ data }) => data.tool === name);
      const said = { description, inputSchema, outputSchema: outputSchema ?? null, ...(title !== undefined && { title }) };
      expect(preset).toMatchObject({ type: "mcp_tool", data: { server: "everything", tool: name }, environment: "production", ...said });
    }
    expect((await nodeTypes()).items.map(({ type }) => type)).toContain("mcp_tool");
  });

  test.each([
    ["echo", { message: "Grüße" }],
    ["get-sum", { a: 17, b: 25 }],
    ["get-structured-content", { location: "Chicago" }],
    ["get-tiny-image", {}],
  ])("gives %s as a node that answers in a run what the tool answers to a direct call", async (tool, args) => {
    const run = await runOf(await named("everything", tool), args);
    expect(run).toMatchObject({ status: "succeeded" });
    const { content, structuredContent } = await direct.callTool({ name: tool, arguments: args });
    const text = Array.isArray(content) ? content.flatMap((part) => (part.type === "text" ? [part.text] : [])) : [];
    expect(run.output).toMatchObject({ content, structuredContent: structuredContent ?? null, isError: false });
    expect(run.output).toMatchObject({ text: text.join("\n") });
  });

  test("has those of the environment that is asked for, and finds them by words", async () => {
    expect(await namesOf("tried-out")).toEqual([]);
    expect(await namesOf("everything", { environment: "test" })).toEqual([]);
    expect(await namesOf("tried-out", { environment: "test" })).toContain("read_graph");
    expect(await namesOf("tried-out", { environment: "test", q: "RELATIONS create" })).toContain("create_relations");
    expect(await namesOf("everything", { q: "get sum" })).toEqual(["get-sum"]);
    expect((await nodeTypes({ q: "zebra" })).tools).toEqual({ items: [], nextCursor: null });
  });

  test("comes in pages, which together have every tool once", async () => {
    const seen: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const { items, tools }: Answer = await nodeTypes({ limit: 3, ...(cursor && { cursor }) });
      expect(items.length).toBeGreaterThan(10);
      expect(tools.items.length).toBeLessThanOrEqual(3);
      seen.push(...tools.items.map(({ toolId }) => toolId));
      cursor = tools.nextCursor;
    }
    const all = (await nodeTypes()).tools.items.map(({ toolId }) => toolId);
    expect(seen).toEqual(all);
    await expect(nodeTypes({ cursor: "nonsense" })).rejects.toMatchObject({ code: "cursor_invalid" });
    await expect(nodeTypes({ limit: 201 })).rejects.toMatchObject({ code: "request_invalid" });
    await expect(nodeTypes({ environment: "moon" })).rejects.toMatchObject({ code: "request_invalid" });
  });

  test("has nothing of another tenant", async () => {
    const { token } = await addTenant(await at.sql(), "Strangers");
    const strange = createClient({ url: at.url, token });
    expect((await strange.listNodeTypes()).tools).toEqual({ items: [], nextCursor: null });
  });
});

describe("a tool", () => {
  const becomes = (names: string[]): Promise<void> =>
    vi.waitFor(async () => expect(await namesOf("sums")).toEqual(names), { timeout: 10_000, interval: 20 });
  const toolNamed = async (name: string) => {
    const { items } = await at.client.listTools({ query: { limit: 200, q: name } });
    const tool = items.find((one) => one.serverName === "sums" && one.name === name);
    if (!tool) throw new Error(`there is no tool ${name}`);
    return tool;
  };

  test("that the scan holds back is no node until somebody has approved it; hidden characters of its title are written out then", async () => {
    expect(await namesOf("sums")).toEqual(["add"]);
    const { id, hash } = await toolNamed("subtract");
    await at.client.approveTool({ params: { id }, body: { hash, acceptFindings: true } });
    expect(await named("sums", "subtract")).toMatchObject({ title: "Sub⟦U+200B⟧tract" });
  });

  test("that was changed, rejected or disabled is none any more, until it may be called again", async () => {
    await becomes(["add", "subtract"]);
    await changing.says({ tools: [plainTool({ description: "Adds three numbers." }), plainTool({ name: "subtract" })] });
    await becomes([]);
    const changed = await toolNamed("add");
    await at.client.approveTool({ params: { id: changed.id }, body: { hash: changed.hash } });
    await becomes(["add"]);
    expect(await named("sums", "add")).toMatchObject({ description: "Adds three numbers." });

    const { id } = changed;
    await at.client.disableTool({ params: { id }, body: { reason: "Too slow." } });
    await becomes([]);
    await at.client.enableTool({ params: { id }, body: { hash: changed.hash } });
    await becomes(["add"]);
    await at.client.rejectTool({ params: { id }, body: { hash: changed.hash, reason: "It asks for keys." } });
    await becomes([]);
    expect((await at.client.listTools({ query: { q: "add" } })).items).toContainEqual(
      expect.objectContaining({ id, approval: "rejected" }),
    );
  });

  test("of a server that was deleted is none", async () => {
    const [first] = await toolsOf("everything");
    await at.client.deleteMcpServer({ params: { id: first?.serverId ?? "" } });
    expect(await namesOf("everything")).toEqual([]);
  });
});

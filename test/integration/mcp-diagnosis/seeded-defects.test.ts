import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CreateMcpServer } from "#contract/mcp/servers.ts";
import type { CheckFinding } from "#contract/mcp/tests.ts";
import { changingServer, type ChangingServer } from "#test/support/mcp/changing.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const SEARCH = {
  type: "object",
  properties: { query: { type: "string" }, limit: { type: "integer" }, order: { enum: ["newest", "oldest"] } },
  required: ["query"],
  additionalProperties: false,
};
const named = (name: string) => ({ name, description: `Does ${name}.`, inputSchema: { type: "object" } });
const LISTED = [{ ...named("search"), inputSchema: SEARCH }, ...["withdrawn", "disabled", "altered"].map(named)];

let at: StartedPlatform;
let changing: ChangingServer;
let folder: string;
let made = 0;

beforeAll(async () => {
  at = await startedPlatform();
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-seeded-")));
  changing = await changingServer({ tools: LISTED });
});
afterAll(async () => {
  await at.close();
  await changing.remove();
  await rm(folder, { recursive: true, force: true });
});

type Step = { tool: string; arguments?: object | string };

async function idOf(serverId: string, name: string): Promise<{ id: string; hash: string; approval: string }> {
  const { items } = await at.client.listServerTools({ params: { id: serverId } });
  return items.find((tool) => tool.name === name) ?? { id: "", hash: "", approval: "" };
}

/** A server that has listed its tools, one of each state; it is given what is to be found before a run. */
async function arrange({ launch = {}, settings, steps = [] }: Setup) {
  made += 1;
  const name = `seeded-${made}`;
  await changing.says({ tools: LISTED });
  const body: CreateMcpServer = { name, description: "", environment: "production", launch: changing.launch, start: true };
  const server = await at.client.createMcpServer({ body });
  if (steps.some(({ tool }) => tool !== "search")) await decide(server.id);
  const { id } = await at.client.updateMcpServer({
    params: { id: server.id },
    body: { launch: { ...changing.launch, ...launch }, ...(settings && { settings }) },
  });
  await at.client.stopMcpServer({ params: { id } });
  const definition = calling(name, steps);
  const workflow = await at.client.createWorkflow({ body: { name, definition } });
  return { id, name, definition, workflow };
}

function calling(server: string, steps: readonly Step[]) {
  const calls = steps.map((step, i) => ({ id: `step${i}`, type: "mcp_tool", data: { server, ...step } }));
  const nodes = [{ id: "start", type: "start" }, ...calls, { id: "end", type: "end" }];
  const edges = nodes.slice(1).map((node, i) => ({ id: `e${i}`, source: nodes[i]?.id ?? "", target: node.id }));
  return { version: 2, name: server, nodes, edges };
}

async function apply(mend: Mend, { id, name, workflow }: Awaited<ReturnType<typeof arrange>>): Promise<void> {
  if (typeof mend === "function") return void (await mend(id));
  const { launch, settings, steps } = mend;
  if (steps) await at.client.updateWorkflow({ params: { id: workflow.id }, body: { definition: calling(name, steps) } });
  const body = { ...(launch && { launch: { ...changing.launch, ...launch } }), ...(settings && { settings }) };
  if (launch ?? settings) await at.client.updateMcpServer({ params: { id }, body });
}

async function approve(serverId: string, name: string): Promise<void> {
  const { id, hash } = await idOf(serverId, name);
  await at.client.approveTool({ params: { id }, body: { hash } });
}

async function enable(serverId: string, name: string): Promise<void> {
  const { id, hash } = await idOf(serverId, name);
  await at.client.enableTool({ params: { id }, body: { hash } });
}

async function decide(serverId: string): Promise<void> {
  const withdrawn = await idOf(serverId, "withdrawn");
  await at.client.rejectTool({ params: { id: withdrawn.id }, body: { hash: withdrawn.hash, reason: "too much" } });
  await at.client.disableTool({ params: { id: (await idOf(serverId, "disabled")).id }, body: { reason: "for now" } });
  const altered = { ...named("altered"), description: "Does it otherwise." };
  await changing.says({ tools: [...LISTED.slice(0, 3), altered, named("fresh")] });
  await expect.poll(async () => (await idOf(serverId, "fresh")).approval, { timeout: 10_000 }).toBe("pending");
}

type Setup = { launch?: object; settings?: Record<string, unknown> | undefined; steps?: readonly Step[] };
type Seeded = Setup & { what: string; finds: Partial<CheckFinding>; warns?: { path: string; code: string }; mend: Mend };

/** What the remedy says to do. */
type Mend = Setup | ((serverId: string) => Promise<unknown>);

const step = (tool: string, args: object | string = {}): Setup => ({ steps: [{ tool, arguments: args }] });
const unusable = (what: string, tool: string, code: string): Seeded => ({
  what,
  ...step(tool),
  mend: (serverId) => (code === "mcp_tool_disabled" ? enable : approve)(serverId, tool),
  finds: { path: "step0", code, severity: "error", got: what.split(" ").at(-1) },
  warns: { path: "nodes[1].data.tool", code },
});
const unfit = (what: string, args: object, finds: { path: string; expected: string; got: string }): Seeded => ({
  what,
  ...step("search", args),
  mend: step("search", { query: "=input.q" }),
  finds: { ...finds, path: `step0.${finds.path}`, code: "request_invalid", severity: "error" },
  warns: { path: `nodes[1].data.${finds.path}`, code: "request_invalid" },
});

/** One row for each defect: how it is seeded, and the one finding that says so. */
const DEFECTS: readonly Seeded[] = [
  unfit("a missing argument", { limit: 3 }, { path: "arguments.query", expected: "a value (string)", got: "nothing" }),
  unfit("a value of another type", { query: "x", limit: "3" }, { path: "arguments.limit", expected: "integer", got: '"3"' }),
  unfit(
    "a value that is none of those allowed",
    { query: "=input.q", order: "best" },
    { path: "arguments.order", expected: 'one of "newest", "oldest"', got: '"best"' },
  ),
  unfit(
    "an argument that the tool does not know",
    { query: "about {{ input.q }}", offset: 2 },
    { path: "arguments.offset", expected: "no value of this name; there is limit, order, query", got: "2" },
  ),
  {
    what: "a tool that the server does not list",
    ...step("serach", { query: "x" }),
    mend: step("search", { query: "x" }),
    finds: { path: "step0", code: "mcp_tool_unknown", severity: "error", got: "serach", expected: expect.stringContaining("search") },
    warns: { path: "nodes[1].data.tool", code: "mcp_tool_unknown" },
  },
  unusable("a tool that is pending", "fresh", "mcp_tool_not_approved"),
  unusable("a tool that was rejected", "withdrawn", "mcp_tool_not_approved"),
  unusable("a tool that is disabled", "disabled", "mcp_tool_disabled"),
  unusable("a tool that has changed", "altered", "tool_changed"),
  {
    what: "a model that nobody has registered",
    settings: { sampling: { model: "nobody/large", maxTokens: 100, perMinute: 1 } },
    mend: { settings: { sampling: { model: "offline/extractive", maxTokens: 100, perMinute: 1 } } },
    finds: { path: "settings.sampling.model", code: "model_unknown", severity: "warning", got: "nobody/large" },
  },
  {
    what: "a root that does not exist",
    settings: { roots: ["/no/such/root"] },
    mend: { settings: { roots: [import.meta.dirname] } },
    finds: { path: "settings.roots.0", severity: "warning", got: "/no/such/root" },
  },
  {
    what: "a folder for reading that does not exist",
    launch: { sandbox: { read: [import.meta.dirname, "/no/such/folder"] } },
    mend: { launch: {} },
    finds: { path: "launch.sandbox.read.1", code: "mcp_sandbox_unavailable", severity: "error", got: "/no/such/folder" },
  },
  {
    what: "a folder for writing that does not exist",
    launch: { sandbox: { write: ["/no/such/folder"] } },
    mend: { launch: {} },
    finds: { path: "launch.sandbox.write.0", code: "mcp_sandbox_unavailable", severity: "error", got: "/no/such/folder" },
  },
  {
    what: "a working folder that does not exist",
    launch: { cwd: "/no/such/folder" },
    mend: { launch: {} },
    finds: { path: "launch.cwd", code: "mcp_command_not_found", severity: "error", got: "/no/such/folder" },
  },
  {
    what: "a command that does not exist",
    launch: { command: "no-such-command" },
    mend: { launch: {} },
    finds: { path: "launch.command", code: "mcp_command_not_found", severity: "error", got: "no-such-command" },
  },
  {
    what: "a secret that nobody has stored",
    launch: { env: { TOKEN: "secret:nowhere" } },
    mend: { launch: {} },
    finds: { path: "launch.env.TOKEN", code: "secret_missing", severity: "error", got: "nowhere" },
  },
];

describe("the check finds, once and without a start, and not any more when it is mended,", () => {
  test.each(DEFECTS)("$what", async ({ finds, warns, mend, ...setup }) => {
    const arranged = await arrange(setup);
    const { id, name, definition, workflow } = arranged;
    const before = (await at.client.getMcpServer({ params: { id } })).state;
    const { ok, findings } = await at.client.checkMcpServer({ params: { id } });
    const path = finds.path?.startsWith("step") ? `workflows.${name}.${finds.path}` : finds.path;
    expect(findings).toEqual([expect.objectContaining({ ...finds, path })]);
    expect(ok).toBe(finds.severity === "warning");
    for (const text of [findings[0]?.message, findings[0]?.cause, findings[0]?.remedy, findings[0]?.expected]) expect(text).toMatch(/./);
    expect((await at.client.getMcpServer({ params: { id } })).state).toBe(before);
    const warnings = warns && [{ ...warns, nodeId: "step0", message: expect.stringMatching(/./) }];
    const validation = { valid: true, issues: [], ...(warnings && { warnings }) };
    expect(await at.client.validateWorkflow({ params: { id: workflow.id } })).toEqual(validation);
    expect(await at.client.validateDefinition({ body: { definition } })).toEqual(validation);
    expect(workflow.warnings).toEqual(warnings);
    await apply(mend, arranged);
    expect(await at.client.checkMcpServer({ params: { id } })).toEqual({ ok: true, findings: [] });
  });

  test("all defects of one server at the same time", async () => {
    const seeded = DEFECTS.filter(({ what }) => !what.startsWith("a folder for writing"));
    const steps = seeded.flatMap((defect) => defect.steps ?? []);
    const launches = seeded.map(({ launch }) => launch ?? {});
    const settings = seeded.map((defect) => defect.settings ?? {});
    const { id, workflow } = await arrange({ launch: Object.assign({}, ...launches), settings: Object.assign({}, ...settings), steps });
    const { ok, findings } = await at.client.checkMcpServer({ params: { id } });
    expect([ok, findings.length]).toEqual([false, seeded.length]);
    expect(new Set(findings.map(({ path }) => path)).size).toBe(seeded.length);
    expect(workflow.warnings).toHaveLength(steps.length);
    const { definition } = await at.client.getWorkflow({ params: { id: workflow.id } });
    const updated = await at.client.updateWorkflow({
      params: { id: workflow.id },
      body: { definition: { ...definition, description: "2" } },
    });
    expect(updated).toMatchObject({ version: 2, warnings: workflow.warnings });
  });

  test("nothing in a setup that is right", async () => {
    const args = { query: "=input.q", limit: 3, order: "newest" };
    const { id, workflow } = await arrange({
      launch: { sandbox: { read: [import.meta.dirname], write: [folder] }, cwd: folder },
      settings: { sampling: { model: "offline/extractive", maxTokens: 100, perMinute: 1 }, roots: [folder] },
      steps: [
        { tool: "search", arguments: args },
        { tool: "search", arguments: "=input" },
        { tool: "search", arguments: { query: "\\=x" } },
      ],
    });
    expect(await at.client.checkMcpServer({ params: { id } })).toEqual({ ok: true, findings: [] });
    expect(await at.client.validateWorkflow({ params: { id: workflow.id }, body: {} })).toEqual({ valid: true, issues: [] });
    expect(workflow.warnings).toBeUndefined();
  });
});

test("a step of a server that is not registered is warned of, in the environment that is asked about", async () => {
  const { definition, name } = await arrange(step("search", { query: "x" }));
  const { warnings } = await at.client.validateDefinition({ body: { definition, environment: "test" } });
  expect(warnings).toEqual([
    { path: "nodes[1].data.server", nodeId: "step0", code: "mcp_server_unknown", message: `There is no MCP server named ${name} in test.` },
  ]);
});

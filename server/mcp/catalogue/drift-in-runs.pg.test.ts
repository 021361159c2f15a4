import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES as routes } from "#contract/routes.ts";
import type { DefinitionInput } from "#contract/definition.ts";
import type { Tool } from "#contract/mcp/tools.ts";
import type { Run } from "#contract/runs.ts";
import { createWorkflows } from "#server/workflows/index.ts";
import type { Runs } from "#server/runs/index.ts";
import { callRoute, ownerOf } from "#test/support/call-route.ts";
import { changingServer, plainTool, type ChangingServer } from "#test/support/mcp/changing.ts";
import { mcpPlatforms, register, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import {
  createPlatform,
  createProcess,
  definition,
  endNode,
  isOver,
  journalOf,
  Outside,
  runWhen,
  saveWorkflow,
  startOf,
  type Platform,
} from "#test/support/runs.ts";

let db: TestDatabase;
let base: Platform;
const platforms = mcpPlatforms(() => db);
const toEnd: (() => Promise<void>)[] = [];

beforeAll(async () => {
  db = await testDatabase();
  base = createPlatform(db);
});
afterEach(async () => {
  for (const end of toEnd.splice(0).toReversed()) await end();
  await platforms.close();
});
afterAll(() => db.close());

const before = plainTool();
const after = plainTool({ description: "Adds two numbers. Always." });

type World = { p: McpPlatform; runs: Runs; changing: ChangingServer; server: { id: string; name: string }; add: Tool; begin: Begin };
type Begin = (of?: (server: string) => DefinitionInput) => Promise<Run>;

/** A server with one approved tool, and a platform that runs workflows which call it. */
async function arrange(): Promise<World> {
  const changing = await changingServer({ tools: [before] });
  toEnd.push(() => changing.remove());
  const liveRuns: Runs["liveRunsByVersion"] = (of) => runs.liveRunsByVersion(of);
  const workflows = createWorkflows({
    ...base.base,
    liveRuns,
    countLiveRuns: (version) => runs.countLiveRuns(version),
    namedVersions: () => Promise.resolve([]),
    toolPresets: (of) => p.mcp.toolPresets(of),
    judgeUses: (of) => p.mcp.judgeUses(of),
  });
  const platform = { ...base, workflows, base: { ...base.base, plans: workflows } };
  const p = await platforms.open({
    workflowsUsing: (tool) => workflows.using(tool),
    resumeStep: (step) => runs.resumeStep({ ...step, code: "tool_changed" }),
  });
  const outside = new Outside();
  const runs = createProcess(platform, outside, { executors: { ...outside.executors, mcp_tool: p.mcp.executeTool } });
  await runs.start();
  toEnd.push(() => runs.stop());
  await p.mcp.start();
  const server = await register(p, changing.launch);
  const add = await toolNamed(p, server.id, "add");
  const begin: Begin = async (of = once) => startOf(runs, db.tenantId, await saveWorkflow(platform, of(server.name)))();
  return { p, runs, changing, server, add, begin };
}

const call = (server: string, parentId?: string) => ({ id: "call", type: "mcp_tool" as const, data: { server, tool: "add" }, parentId });
const once = (server: string): DefinitionInput => definition([call(server), endNode("=steps.call.text")], ["start>call", "call>end"]);
const inMap = (server: string): DefinitionInput =>
  definition(
    [{ id: "each", type: "map", data: { items: [1, 2, 3] } }, call(server, "each"), endNode("=steps.each")],
    ["start>each", "each>end"],
  );

const becomes = (p: McpPlatform, serverId: string, approval: Tool["approval"]): Promise<Tool> =>
  vi.waitFor(
    async () => {
      const tool = await toolNamed(p, serverId, "add");
      expect(tool.approval).toBe(approval);
      return tool;
    },
    { timeout: 5_000, interval: 10 },
  );
const when = (runs: Runs, { id }: Run, isReady: (run: Run) => boolean): Promise<Run> =>
  runWhen(runs, { id, tenantId: db.tenantId }, isReady);
const isWaiting = ({ questions, status }: Run): boolean => questions.length > 0 && status === "waiting";
const kindsOf = async (runs: Runs, { id }: Run): Promise<string[]> =>
  (await journalOf(runs, db.tenantId, id)).filter(({ nodeId }) => nodeId === "call").map(({ kind }) => kind);

describe("a step whose tool has changed", () => {
  test("waits, and goes on with the new definition as soon as somebody approves it", async () => {
    const { p, runs, changing, server, add, begin } = await arrange();
    await changing.says({ tools: [after] });
    const changed = await becomes(p, server.id, "changed");
    const run = await begin();
    const waiting = await when(runs, run, isWaiting);
    expect(waiting.questions).toMatchObject([
      { nodeId: "call", code: "tool_changed", question: expect.stringContaining("not what was approved") },
    ]);
    const use = await p.call(routes.getToolUse, { params: { id: add.id } });
    expect(use).toMatchObject({
      workflows: [{ workflowId: run.workflowId, version: 1, isNewest: true, nodes: [{ id: "call" }], liveRuns: 1 }],
      waiting: [{ runId: run.id, scope: "", nodeId: "call" }],
    });
    expect(await changing.called()).toEqual([]);

    await p.call(routes.approveTool, { params: { id: add.id }, body: { hash: changed.hash } });
    expect(await when(runs, run, isOver)).toMatchObject({ status: "succeeded", output: "add" });
    expect(await kindsOf(runs, run)).toEqual(["step_parked", "step_answered", "step_started", "step_bound", "step_succeeded"]);
    const bound = (await journalOf(runs, db.tenantId, run.id)).find(({ kind }) => kind === "step_bound");
    expect(bound?.body).toEqual({ binding: { tool_hash: changed.hash, server_id: server.id } });
    expect(await changing.called()).toEqual(["add"]);
    await vi.waitFor(async () => expect((await p.call(routes.getToolUse, { params: { id: add.id } })).waiting).toEqual([]));
  });

  test("fails with the reason when somebody rejects the definition", async () => {
    const { p, runs, changing, server, add, begin } = await arrange();
    await changing.says({ tools: [after] });
    const changed = await becomes(p, server.id, "changed");
    const run = await begin();
    await when(runs, run, isWaiting);
    await p.call(routes.rejectTool, { params: { id: add.id }, body: { hash: changed.hash, reason: "It may not say always." } });
    const failed = await when(runs, run, isOver);
    expect(failed).toMatchObject({
      status: "failed",
      error: { code: "mcp_tool_not_approved", nodeId: "call", message: expect.stringContaining("rejected: It may not say always.") },
    });
    expect(await changing.called()).toEqual([]);
  });

  test("goes on when the server lists again what was approved", async () => {
    const { p, runs, changing, server, begin } = await arrange();
    await changing.says({ tools: [after] });
    await becomes(p, server.id, "changed");
    const run = await begin();
    await when(runs, run, isWaiting);
    await changing.says({ tools: [before] });
    expect(await when(runs, run, isOver)).toMatchObject({ status: "succeeded" });
  });

  test("inside a container waits in each item, and all go on", async () => {
    const { p, runs, changing, server, add, begin } = await arrange();
    await changing.says({ tools: [after] });
    const changed = await becomes(p, server.id, "changed");
    const run = await begin(inMap);
    await when(runs, run, ({ questions }) => questions.length === 3);
    const { workflows, waiting } = await p.call(routes.getToolDiff, { params: { id: add.id }, query: {} });
    expect(workflows).toMatchObject([{ nodes: [{ id: "call", parentId: "each" }] }]);
    expect(waiting.map(({ scope }) => scope).toSorted()).toEqual(["/each[0]", "/each[1]", "/each[2]"]);
    await p.call(routes.approveTool, { params: { id: add.id }, body: { hash: changed.hash } });
    expect(await when(runs, run, isOver)).toMatchObject({ status: "succeeded" });
    expect(await changing.called()).toEqual(["add", "add", "add"]);
  });

  test("is not meant by an answer to all questions about effects, but can be answered by name", async () => {
    const { p, runs, changing, server, begin } = await arrange();
    await changing.says({ tools: [after] });
    await becomes(p, server.id, "changed");
    const run = await begin();
    await when(runs, run, isWaiting);
    const answer = (body: { answer: "happened"; nodeId?: string; output?: string }): Promise<Run> =>
      callRoute(runs.routes, routes.resumeRun, { caller: ownerOf(db.tenantId), params: { id: run.id }, body });
    await expect(answer({ answer: "happened" })).rejects.toMatchObject({ code: "run_not_waiting" });
    await answer({ answer: "happened", nodeId: "call", output: "by hand" });
    expect(await when(runs, run, isOver)).toMatchObject({ status: "succeeded" });
    expect(await changing.called()).toEqual([]);
  });

  test("that was bound to a definition which somebody has replaced by another approval is bound anew", async () => {
    const { p, runs, changing, server, add, begin } = await arrange();
    const { executeTool } = p.mcp;
    // Between being prepared and being called, the tool changes and is approved again.
    const prepare = executeTool.prepare.bind(executeTool);
    let isFirst = true;
    executeTool.prepare = async (request) => {
      const prepared = await prepare(request);
      if (!isFirst) return prepared;
      isFirst = false;
      await changing.says({ tools: [after] });
      const { hash } = await becomes(p, server.id, "changed");
      await p.call(routes.approveTool, { params: { id: add.id }, body: { hash } });
      return prepared;
    };
    const run = await begin();
    expect(await when(runs, run, isOver)).toMatchObject({ status: "succeeded" });
    const once = "step_started step_bound";
    expect((await kindsOf(runs, run)).join(" ")).toBe(`${once} step_parked step_answered ${once} step_succeeded`);
    expect(await changing.called()).toEqual(["add"]);
  });

  test("is given up when its run is cancelled, and nobody waits for it any more", async () => {
    const { p, runs, changing, server, add, begin } = await arrange();
    await changing.says({ tools: [after] });
    const changed = await becomes(p, server.id, "changed");
    const run = await begin();
    await when(runs, run, isWaiting);
    await runs.cancelRun({ tenantId: db.tenantId, actor: "user:1", runId: run.id });
    expect(await when(runs, run, isOver)).toMatchObject({ status: "cancelled" });
    await p.call(routes.approveTool, { params: { id: add.id }, body: { hash: changed.hash } });
    await vi.waitFor(async () => expect((await p.call(routes.getToolUse, { params: { id: add.id } })).waiting).toEqual([]));
    expect(await changing.called()).toEqual([]);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { answerMcpQuestion, getMcpQuestion, listMcpQuestions, type McpQuestion, type QuestionAnswer } from "#contract/mcp/questions.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import { updateMcpServer } from "#contract/mcp/servers.ts";
import { callerOf, mcpPlatforms, register, stepCall, type McpPlatform } from "#test/support/mcp/platform.ts";
import { talkativeHttpServer, talkativeLaunch } from "#test/support/mcp/talk.ts";
import { Outside, createPlatform, createProcess, definition, endNode, isOver, runWhen, saveWorkflow, startOf } from "#test/support/runs.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

const ACCEPTED: QuestionAnswer = { action: "accept", content: { name: "anna", age: 7 } };

type Change = Parameters<typeof platforms.open>[0];
async function asking(
  tool = "introduce",
  change: Change = {},
): Promise<{ p: McpPlatform; run: (change?: Partial<StepCall>) => Promise<unknown> }> {
  const p = await platforms.open(change);
  const { name } = await register(p, talkativeLaunch);
  const key = `key-${name}`;
  const call = stepCall(db, { server: name, tool, arguments: {} }, { key });
  return { p, run: async (change = {}) => p.mcp.executeTool.run({ ...call, ...change }) };
}
const pending = async (p: McpPlatform): Promise<McpQuestion[]> =>
  (await p.call(listMcpQuestions, { query: { status: "pending", limit: 50 } })).items;
async function question(p: McpPlatform): Promise<McpQuestion> {
  await vi.waitFor(async () => expect(await pending(p)).toHaveLength(1), { timeout: 10_000 });
  const [first] = await pending(p);
  if (!first) throw new Error("nothing is asked");
  return first;
}
const answer = (p: McpPlatform, { id }: McpQuestion, body: QuestionAnswer, ...caller: [] | [ReturnType<typeof callerOf>]) =>
  p.call(answerMcpQuestion, { params: { id }, body }, ...caller);

test("a step whose server asks outlives its own timeout, and its run goes on with the answer", async () => {
  const p = await platforms.open();
  const { name } = await register(p, talkativeLaunch);
  const base = createPlatform(db);
  const outside = new Outside();
  const runs = createProcess(base, outside, { executors: { ...outside.executors, mcp_tool: p.mcp.executeTool } });
  await runs.start();
  const ask = { id: "ask", type: "mcp_tool", data: { server: name, tool: "introduce" }, policy: { timeoutMs: 4_000 } } as const;
  const workflow = await saveWorkflow(base, definition([ask, endNode("=steps.ask.text")], ["start>ask", "ask>end"]));
  const run = await startOf(runs, db.tenantId, workflow)();
  const asked = await question(p);
  expect(asked).toMatchObject({ runId: run.id, nodeId: "ask" });
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  await answer(p, asked, ACCEPTED);
  const ended = await runWhen(runs, { id: run.id, tenantId: db.tenantId }, isOver);
  expect(ended).toMatchObject({ status: "succeeded", output: "You are anna, 7." });
  await runs.stop();
});

describe("a question that leads to a page (M-16)", () => {
  type Visit = { p: McpPlatform; visit: (url: string) => Promise<unknown> };
  async function visiting(launch: Parameters<typeof register>[1], settings: Record<string, unknown> = {}): Promise<Visit> {
    const p = await platforms.open();
    const { id, name } = await register(p, launch);
    await p.call(updateMcpServer, { params: { id }, body: { settings } });
    return {
      p,
      visit: async (url) =>
        p.mcp.executeTool.run(stepCall(db, { server: name, tool: "visit", arguments: { url } }, { key: `${name} ${url}` })),
    };
  }
  const PAGE = "https://login.example.net/consent?state=1";

  test("says where a page of another host leads, to people and to the audit trail", async () => {
    const http = await talkativeHttpServer();
    const own = new URL(http.url);
    try {
      const { p, visit } = await visiting({ transport: "http", url: http.url, headers: {} });
      const away = visit(PAGE);
      const asked = await question(p);
      expect(asked).toMatchObject({
        question: { mode: "url", url: PAGE, host: "login.example.net" },
        findings: [`url: leads to login.example.net, not to the server's own ${own.host}`],
      });
      expect(p.audited).toContainEqual(
        expect.objectContaining({ action: "mcp_question.asked", details: expect.objectContaining({ host: "login.example.net" }) }),
      );
      await answer(p, asked, { action: "accept" });
      expect(await away).toMatchObject({ text: expect.stringContaining("accept") });
      const home = visit(`${own.origin}/consent`);
      const other = await question(p);
      expect(other.findings).toEqual([]);
      await answer(p, other, { action: "decline" });
      await home;
    } finally {
      await http.close();
    }
  });

  test("of a server that is a process says where it leads, and nobody is asked where the settings do not allow the host", async () => {
    const open = await visiting(talkativeLaunch);
    const running = open.visit(PAGE);
    const asked = await question(open.p);
    expect(asked.findings).toEqual(["url: leads to login.example.net"]);
    await answer(open.p, asked, { action: "decline" });
    await running;
    const strict = await visiting(talkativeLaunch, { elicitation: { hosts: ["login.example.org"] } });
    expect(await strict.visit(PAGE)).toMatchObject({ text: expect.stringContaining("decline") });
    expect(await pending(strict.p)).toEqual([]);
    expect(strict.p.audited.filter(({ action }) => action === "mcp_question.asked")).toEqual([]);
  });
});

describe("a question of a server in a run", () => {
  test("waits for a person, whose answer the step goes on with; its time stands still meanwhile", async () => {
    const { p, run } = await asking();
    let held = 0;
    const holdTimeout = (): (() => void) => {
      held += 1;
      return () => void (held -= 1);
    };
    const running = run({ holdTimeout, timeoutMs: 2_000 });
    const asked = await question(p);
    expect(asked).toMatchObject({ tool: "introduce", question: { mode: "form", message: "Who are you?" }, findings: [] });
    expect(held).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const answered = await answer(p, asked, ACCEPTED);
    expect(answered).toMatchObject({ status: "accepted", closedBy: "user:owner" });
    expect(await running).toMatchObject({ text: "You are anna, 7." });
    expect(held).toBe(0);
    expect(p.audited.map(({ action }) => action)).toEqual(expect.arrayContaining(["mcp_question.asked", "mcp_question.answered"]));
    expect(JSON.stringify(p.audited)).not.toContain("anna");
    expect(p.published).toContainEqual({ type: "mcp_question", questionId: asked.id, runId: asked.runId, status: "accepted" });
    await expect(answer(p, asked, ACCEPTED)).rejects.toMatchObject({ code: "approval_closed" });
  });

  test.each([["decline"], ["cancel"]] as const)("may be met with %s", async (action) => {
    const { p, run } = await asking();
    const running = run();
    await answer(p, await question(p), { action });
    expect(await running).toMatchObject({ text: "You did not say." });
  });

  test.each([
    ["a missing field", { name: "anna" }, "content.age"],
    ["a value of another type", { name: "anna", age: "seven" }, "content.age"],
    ["a value out of range", { name: "anna", age: -1 }, "content.age"],
    ["a field that is not asked for", { name: "anna", age: 7, admin: true }, "content.admin"],
    ["nothing", undefined, "content.name"],
  ])("is not answered by %s", async (_name, content, path) => {
    const { p, run } = await asking();
    const running = run();
    const asked = await question(p);
    const refused = expect.objectContaining({
      code: "request_invalid",
      issues: expect.arrayContaining([expect.objectContaining({ path })]),
    });
    await expect(answer(p, asked, { action: "accept", content })).rejects.toEqual(refused);
    expect(await question(p)).toEqual(asked);
    await answer(p, asked, { action: "decline" });
    await running;
  });

  test("is found again, with its answer, by whoever takes the run over", async () => {
    const { p, run } = await asking();
    const first = new AbortController();
    const lost = run({ signal: first.signal });
    lost.catch(() => {});
    const asked = await question(p);
    const second = run();
    await vi.waitFor(() => expect(p.recorded.filter(({ method, kind }) => method === "tools/call" && kind === "request")).toHaveLength(2));
    first.abort();
    await expect(lost).rejects.toMatchObject({ code: "step_cancelled" });
    const again = await question(p);
    expect(again.question).toEqual(asked.question);
    await answer(p, again, ACCEPTED);
    expect(await second).toMatchObject({ text: "You are anna, 7." });
    expect(await run()).toMatchObject({ text: "You are anna, 7." });
  });

  test("goes with the call that is cancelled", async () => {
    const { p, run } = await asking();
    const cancel = new AbortController();
    const running = run({ signal: cancel.signal });
    running.catch(() => {});
    const { id } = await question(p);
    cancel.abort();
    await expect(running).rejects.toMatchObject({ code: "step_cancelled" });
    await vi.waitFor(async () => expect(await p.call(getMcpQuestion, { params: { id } })).toMatchObject({ status: "cancelled" }));
    await expect(answer(p, { id } as McpQuestion, ACCEPTED)).rejects.toMatchObject({ code: "approval_closed" });
  });

  test("is not taken an answer to once its run is over, which whoever asked did not live to see", async () => {
    const { p, run } = await asking();
    const running = run();
    const asked = await question(p);
    const other = await platforms.open({ isRunOver: async () => true });
    await expect(answer(other, asked, ACCEPTED)).rejects.toMatchObject({ code: "approval_closed" });
    // In this test it did live, and asks again.
    const again = await question(p);
    expect(again.id).not.toBe(asked.id);
    await answer(p, again, { action: "decline" });
    await running;
  });

  test("is not there for another tenant, and nobody is asked for a password", async () => {
    const { p, run } = await asking();
    const running = run();
    const asked = await question(p);
    const stranger = callerOf(await db.secondTenant(), "owner");
    await expect(answer(p, asked, ACCEPTED, stranger)).rejects.toMatchObject({ code: "not_found" });
    await expect(p.call(getMcpQuestion, { params: { id: asked.id } }, stranger)).rejects.toMatchObject({ code: "not_found" });
    expect((await p.call(listMcpQuestions, { query: {} }, stranger)).items).toEqual([]);
    await answer(p, asked, { action: "decline" });
    await running;
    const login = await asking("login");
    expect(await login.run()).toMatchObject({ text: "got a password" });
    expect(await pending(login.p)).toEqual([]);
  });

  test("is not waited for longer than it may be", async () => {
    let late = 0;
    const { p, run } = await asking("introduce", { now: () => new Date(Date.now() + late) });
    const running = run();
    const { id } = await question(p);
    late = LIMITS.mcpQuestionMs;
    await expect(answer(p, { id } as McpQuestion, ACCEPTED)).rejects.toMatchObject({ code: "approval_closed" });
    expect(await running).toMatchObject({ text: "You did not say." });
    expect(await p.call(getMcpQuestion, { params: { id } })).toMatchObject({ status: "expired" });
  });

  test("of one server so many wait, and no more", async () => {
    const { p, run } = await asking();
    const running = run();
    const { id } = await question(p);
    await db.ownerPool.query(
      `insert into mcp_questions (id, tenant_id, server_id, tool, run_id, scope, node_id, key, status, question, asked_at, expires_at)
       select gen_random_uuid(), tenant_id, server_id, tool, run_id, scope, node_id, key || n, status, question, asked_at, expires_at
       from mcp_questions, generate_series(2, $2::int) n where id = $1`,
      [id, LIMITS.mcpQuestions],
    );
    await expect(run({ key: "another" })).rejects.toMatchObject({ code: "rate_limited" });
    // Whoever has asked these died meanwhile: nobody else closes them.
    await db.ownerPool.query("update mcp_questions set expires_at = now() where status = 'pending' and id <> $1", [id]);
    const later = run({ key: "another" });
    await vi.waitFor(async () => expect(await pending(p)).toHaveLength(2), { timeout: 10_000 });
    for (const asked of await pending(p)) await answer(p, asked, { action: "decline" });
    await Promise.all([running, later]);
    const { items } = await p.call(listMcpQuestions, { query: { status: "expired", limit: 200 } });
    expect(items.length).toBeGreaterThanOrEqual(LIMITS.mcpQuestions - 1);
  });
});

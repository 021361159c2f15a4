import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { disableTool } from "#contract/mcp/tool-review.ts";
import { callTool, type ToolResult } from "#contract/mcp/tools.ts";
import type { QuestionAnswer } from "#contract/mcp/questions.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { problemOf } from "#server/http/problem.ts";
import { callerOf, mcpPlatforms, published, register, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { talkativeLaunch } from "#test/support/mcp/talk.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

type Body = { arguments?: Record<string, string>; resume?: { token: string; answers: Record<string, QuestionAnswer> } };
const LAUNCHES = [
  ["of the 2026 era", talkativeLaunch, "introduce", "You are anna, 7."],
  ["of the 2025 era", published("everything"), "trigger-elicitation-request", "anna"],
] as const;
const CONTENT = { introduce: { name: "anna", age: 7 }, "trigger-elicitation-request": { name: "anna" } };

async function toolOf(launch: (typeof LAUNCHES)[number][1], name: string): Promise<{ p: McpPlatform; id: string; serverId: string }> {
  const p = await platforms.open();
  const { id: serverId } = await register(p, launch);
  return { p, serverId, id: (await toolNamed(p, serverId, name)).id };
}
const call = (p: McpPlatform, id: string, body: Body = {}, caller?: Caller): Promise<ToolResult> =>
  p.call(callTool, { params: { id }, body: { arguments: {}, timeoutMs: 10_000, ...body } }, caller);

type Required = { resume: string; questions: Record<string, { mode: string; findings: string[] }> };
async function asked(calling: Promise<unknown>): Promise<Required> {
  const error: unknown = await calling.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AppError)) throw new Error(`not asked: ${String(error)}`);
  expect(error.code).toBe("mcp_input_required");
  const problem = problemOf(error, "r");
  expect(problem).toMatchObject({ status: 409, class: "needs_person", input: { expiresAt: expect.any(String) } });
  return JSON.parse(JSON.stringify(problem.input));
}
const answers = ({ questions }: Required, answer: QuestionAnswer): Record<string, QuestionAnswer> =>
  Object.fromEntries(Object.keys(questions).map((key) => [key, answer]));

describe.each(LAUNCHES)("a call outside a run whose server asks, %s", (_name, launch, tool, said) => {
  const accepted: QuestionAnswer = { action: "accept", content: CONTENT[tool] };

  test("ends with the form, and goes on with the answers", async () => {
    const { p, id } = await toolOf(launch, tool);
    const required = await asked(call(p, id));
    expect(Object.values(required.questions)).toMatchObject([{ mode: "form", findings: [] }]);
    const result = await call(p, id, { resume: { token: required.resume, answers: answers(required, accepted) } });
    expect(result.text).toContain(said);
  });

  test("an answer that does not fit changes nothing", async () => {
    const { p, id } = await toolOf(launch, tool);
    const required = await asked(call(p, id));
    const wrong = { token: required.resume, answers: answers(required, { action: "accept", content: { admin: true } }) };
    await expect(call(p, id, { resume: wrong })).rejects.toMatchObject({ code: "request_invalid" });
    const unknown = { token: required.resume, answers: { nothing: accepted } };
    await expect(call(p, id, { resume: unknown })).rejects.toMatchObject({ code: "request_invalid" });
    const right = { token: required.resume, answers: answers(required, { action: "decline" }) };
    expect((await call(p, id, { resume: right })).isError).toBe(false);
  });
});

test("a call of the 2026 era does not go on with the answers when its tool may not be called any more", async () => {
  const { p, id } = await toolOf(talkativeLaunch, "introduce");
  const required = await asked(call(p, id));
  await p.call(disableTool, { params: { id }, body: { reason: "Not now." } });
  const accepted: QuestionAnswer = { action: "accept", content: CONTENT.introduce };
  const resume = { token: required.resume, answers: answers(required, accepted) };
  await expect(call(p, id, { resume })).rejects.toMatchObject({ code: "mcp_tool_disabled" });
});

test("a call outside a run whose server sends its caller to a page says where that leads (M-16)", async () => {
  const { p, id } = await toolOf(talkativeLaunch, "visit");
  const required = await asked(call(p, id, { arguments: { url: "https://login.example.net/consent" } }));
  expect(Object.values(required.questions)).toMatchObject([{ mode: "url", findings: ["url: leads to login.example.net"] }]);
});

describe("a token (M-17)", () => {
  const flip = (token: string, at: number): string => {
    const bytes = Buffer.from(token, "base64url");
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes.toString("base64url");
  };

  test.each([
    ["changed at its start", (token: string) => ({ token: flip(token, 0) })],
    ["changed in its tag", (token: string) => ({ token: flip(token, 13) })],
    ["changed at its end", (token: string) => ({ token: flip(token, Buffer.from(token, "base64url").length - 1) })],
    ["cut off", (token: string) => ({ token: token.slice(0, -4) })],
    ["made up", () => ({ token: "AAAA" })],
    ["of another caller", (token: string) => ({ token, caller: callerOf(db.tenantId, "admin") })],
    ["for another tool", (token: string) => ({ token, tool: "count" })],
    ["for other arguments", (token: string) => ({ token, arguments: { more: "1" } })],
  ])("%s opens nothing", async (_name, change) => {
    const { p, id, serverId } = await toolOf(talkativeLaunch, "introduce");
    const required = await asked(call(p, id));
    const { token, caller, tool, arguments: args } = { caller: undefined, tool: undefined, arguments: {}, ...change(required.resume) };
    const target = tool === undefined ? id : (await toolNamed(p, serverId, tool)).id;
    const body = { arguments: args, resume: { token, answers: answers(required, { action: "decline" }) } };
    await expect(call(p, target, body, caller)).rejects.toMatchObject({ code: "mcp_resume_invalid" });
    expect((await call(p, id, { resume: { token: required.resume, answers: {} } })).text).toBe("You did not say.");
  });

  test("works once, and not for ever", async () => {
    const { p, id } = await toolOf(talkativeLaunch, "introduce");
    const first = await asked(call(p, id));
    const resume = { token: first.resume, answers: {} };
    await call(p, id, { resume });
    await expect(call(p, id, { resume })).rejects.toMatchObject({ code: "mcp_resume_invalid" });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true });
    const second = await asked(call(p, id));
    await vi.advanceTimersByTimeAsync(11 * 60 * 1000);
    vi.useRealTimers();
    await expect(call(p, id, { resume: { token: second.resume, answers: {} } })).rejects.toMatchObject({ code: "mcp_resume_invalid" });
  });

  test("of one workspace so many calls wait, and no more", async () => {
    const { p, id } = await toolOf(talkativeLaunch, "introduce");
    const required = await Promise.all(Array.from({ length: LIMITS.mcpResumableCalls }, () => asked(call(p, id))));
    expect((await call(p, id)).text).toBe("You did not say.");
    await call(p, id, { resume: { token: required[0]?.resume ?? "", answers: {} } });
    await asked(call(p, id));
  });
});

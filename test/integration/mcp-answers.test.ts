import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { McpQuestion } from "#contract/mcp/questions.ts";
import { answerQuestion, listQuestions } from "#cli/commands/mcp-questions.ts";
import { newId } from "#server/kernel/ids.ts";
import { askedInRun } from "#test/support/mcp/asked-in-run.ts";
import { published } from "#test/support/mcp/platform.ts";
import { runCli } from "#test/support/cli.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

describe("questions of servers, answered by the command", () => {
  const dir = mkdtempSync(join(tmpdir(), "auterity-answers-"));
  let at: StartedPlatform;
  let out = "";
  let notices = "";
  beforeAll(async () => {
    at = await startedPlatform();
  });
  afterAll(async () => {
    await at.close();
    rmSync(dir, { recursive: true });
  });
  beforeEach(() => {
    [out, notices] = ["", ""];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += stripVTControlCharacters(String(text))), true));
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((notices += stripVTControlCharacters(String(text))), true));
  });
  afterEach(() => void vi.restoreAllMocks());

  type Said = Omit<Parameters<typeof answerQuestion>[2], "output">;
  const answer = ({ id }: { id: string }, said: Said = {}, output: "table" | "json" = "table"): Promise<number> =>
    answerQuestion(at.client, id, { ...said, output });
  const ended = ({ runId }: McpQuestion) => at.client.waitForRun(runId);
  const shown = (): Promise<void> => listQuestions(at.client, { status: "pending", limit: "50", output: "table" });

  test("what waits is listed with its server, tool, run and step; answered, the run goes on and it waits no more", async () => {
    const asked = await askedInRun(at.client);
    const { id, serverName, runId, askedAt } = asked;
    await shown();
    expect(out).toContain("SERVER");
    for (const part of [id, serverName, "introduce", runId, "ask", askedAt, "Who are you?"]) expect(out).toContain(part);
    out = "";
    expect(await answer(asked, { accept: ["name=anna", "age=7"] })).toBe(0);
    expect(notices).toBe(`${id} is answered: accept.\n`);
    expect(await ended(asked)).toMatchObject({ status: "succeeded", output: "You are anna, 7." });
    await shown();
    expect(out).not.toContain(id);
    await listQuestions(at.client, { status: "accepted", run: runId, limit: "1", output: "json" });
    expect(JSON.parse(out)).toMatchObject([{ id, status: "accepted" }]);
    out = "";
    await listQuestions(at.client, { status: "declined", run: runId, limit: "1", output: "yaml" });
    expect(out).toBe("[]\n");
  });

  test("without an answer the fields are shown, with what to pass", async () => {
    const asked = await askedInRun(at.client);
    expect(await answer(asked)).toBe(1);
    expect(out).toContain(`${asked.serverName}/introduce asks in step ask of run ${asked.runId}`);
    expect(out).toMatch(/name\s+string\s+yes\s+Who you are/);
    expect(out).toMatch(/age\s+integer, 0 to \d+\s+yes/);
    expect(notices).toContain(`auterity mcp answer ${asked.id} --accept name=… age=…`);
    out = "";
    expect(await answer(asked, {}, "json")).toBe(1);
    expect(JSON.parse(out)).toEqual(asked);
    expect(await answer(asked, { decline: true })).toBe(0);
    expect(await ended(asked)).toMatchObject({ output: "You did not say." });
    notices = "";
    expect(await answer(asked)).toBe(1);
    expect(notices).toBe("Nobody can answer it any more: it is declined.\n");
  });

  test("a whole form comes as JSON or from a file", async () => {
    const input = join(dir, "answer.json");
    writeFileSync(input, JSON.stringify({ name: "bert", age: 8 }));
    for (const [said, output] of [
      [{ input: '{"name": "anna", "age": 7}' }, "You are anna, 7."],
      [{ accept: true, input: `@${input}` }, "You are bert, 8."],
    ] as const) {
      const asked = await askedInRun(at.client);
      expect(await answer(asked, said)).toBe(0);
      expect(await ended(asked)).toMatchObject({ output });
    }
  });

  test("fields of every kind are read as what they are", async () => {
    const tool = "trigger-elicitation-request";
    const asked = await askedInRun(at.client, { launch: published("everything"), tool });
    await answer(asked);
    expect(out).toMatch(/titledSingleSelectEnum\s+one of hero-1 \(Superman\), hero-2/);
    expect(out).toMatch(/integer\s+integer, 1 to 100\s+no\s+42/);
    const accept = ["name=12", "check=true", "integer=7", "number=0.5", "email=a@example.com", "birthdate=2001-02-03"];
    const choices = ["untitledMultipleSelectEnum=Piano,Drums", "titledSingleSelectEnum=hero-2"];
    await expect(answer(asked, { accept: [...accept, "email=nowhere"] })).rejects.toMatchObject({
      code: "request_invalid",
      issues: [expect.objectContaining({ path: "content.email" })],
    });
    expect(await answer(asked, { accept: [...accept, ...choices] })).toBe(0);
    const { output } = await ended(asked);
    for (const part of ['"name": "12"', '"check": true', '"integer": 7', '"number": 0.5', '"Drums"', '"hero-2"'])
      expect(output).toContain(part);
  });

  test.each([
    ["decline", { action: "decline" }],
    ["cancel", { action: "cancel" }],
    ["accept", { action: "accept" }],
  ] as const)("a page to open is shown with its host, and is met with --%s", async (flag, heard) => {
    const asked = await askedInRun(at.client, { tool: "visit", arguments: { url: "https://example.com/a?b=c" } });
    await expect(answer(asked, { accept: ["name=anna"] })).rejects.toMatchObject({ code: "request_invalid" });
    expect(await answer(asked)).toBe(1);
    expect(out).toContain("Page: https://example.com/a?b=c\nHost: example.com\n");
    expect(notices).toContain(`after having been there: auterity mcp answer ${asked.id} --accept,`);
    expect(await answer(asked, { [flag]: true })).toBe(0);
    expect((await ended(asked)).output).toBe(`visited: ${JSON.stringify(heard)}`);
  });

  describe("a bad answer", () => {
    let asked: McpQuestion;
    beforeAll(async () => {
      asked = await askedInRun(at.client);
    });
    afterAll(() => at.client.answerMcpQuestion({ params: { id: asked.id }, body: { action: "cancel" } }));

    const send = () => vi.spyOn(at.client, "answerMcpQuestion");

    test.each<[string, Said, string]>([
      ["a value of another type", { accept: ["name=anna", "age=seven"] }, "content.age"],
      ["a value out of range", { accept: ["name=anna", "age=-1"] }, "content.age"],
      ["a required field missing", { accept: ["age=7"] }, "content.name"],
      ["no fields", { accept: true }, "content.name"],
      ["a field that is not asked for", { accept: ["name=anna", "age=7", "admin=true"] }, "content.admin"],
      ["a type that no answer has", { input: '{"name": "anna", "age": null}' }, "content.age"],
      ["a form that is none", { input: "[1]" }, "content"],
    ])("%s is refused before it is sent, and names the field", async (_name, said, path) => {
      const sent = send();
      await expect(answer(asked, said)).rejects.toMatchObject({
        code: "request_invalid",
        message: expect.stringContaining(path),
        remedy: `\`auterity mcp answer ${asked.id}\` shows what is asked for.`,
        issues: expect.arrayContaining([expect.objectContaining({ path })]),
      });
      expect(sent).not.toHaveBeenCalled();
      expect(await at.client.getMcpQuestion({ params: { id: asked.id } })).toEqual(asked);
    });

    test.each<[Said, RegExp]>([
      [{ accept: true, decline: true }, /got --accept and --decline/],
      [{ accept: ["name=anna"], input: "{}" }, /got --accept and --input/],
      [{ input: "{}", cancel: true }, /got --input and --cancel/],
      [{ accept: true, input: "{}", decline: true, cancel: true }, /got --accept and --input and --decline and --cancel/],
      [{ accept: ["name"] }, /Expected \w+=value; got name/],
      [{ input: "no-such-form.json" }, /JSON or @file/],
      [{ input: "{" }, /JSON/],
    ])("%j is refused", async (said, why) => {
      const sent = send();
      await expect(answer(asked, said)).rejects.toThrow(why);
      expect(sent).not.toHaveBeenCalled();
    });

    test("an unknown question is not there; one that is answered is answered once", async () => {
      await expect(answer({ id: newId() }, { decline: true })).rejects.toMatchObject({ code: "not_found" });
      await expect(answer({ id: newId() })).rejects.toMatchObject({ code: "not_found" });
      const other = await askedInRun(at.client);
      await answer(other, { accept: ["name=anna", "age=7"] });
      await expect(answer(other, { accept: ["name=bert", "age=8"] })).rejects.toMatchObject({ code: "approval_closed" });
      await expect(answer(other, { accept: ["age=8"] })).rejects.toMatchObject({ code: "approval_closed" });
      expect(await ended(other)).toMatchObject({ output: "You are anna, 7." });
    });

    test("ends the program with 1, what is wrong and what to do; a good one with 0", async () => {
      const place = ["--url", at.url, "--token", at.token];
      const refused = await runCli(["mcp", "answer", asked.id, ...place, "--accept", "name=anna", "age=seven"]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toMatch(/^request_invalid: .*content\.age must be integer.*\n {2}content\.age: must be integer\n.*shows what/);
      expect(await runCli(["mcp", "answer", asked.id, ...place, "--accept", "--decline"])).toMatchObject({ code: 1 });
      expect((await runCli(["mcp", "questions", ...place])).stdout).toContain(asked.id);
      expect((await runCli(["mcp", "answer", "--help"])).stdout).toContain("--accept [fields...]");
      const other = await askedInRun(at.client);
      expect(await runCli(["mcp", "answer", other.id, ...place, "--accept", "name=anna", "age=7"])).toMatchObject({ code: 0 });
      expect(await ended(other)).toMatchObject({ output: "You are anna, 7." });
    });
  });
});

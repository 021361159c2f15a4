import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createAgent } from "#contract/agents.ts";
import type { Json } from "#contract/common.ts";
import { defineAgent, skill, type RunningAgent } from "#sdk/agent.ts";
import { failureOf, testAgents, until, type TestAgents } from "#test/support/agents.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let at: TestAgents;
let provider: Server;
let asked: Json[] = [];
const running: RunningAgent[] = [];

/** A provider whose models answer with JSON. */
const answer = [
  { choices: [{ index: 0, delta: { content: '{"ok": true}' }, finish_reason: null }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } },
];

beforeAll(async () => {
  db = await testDatabase();
  at = await testAgents(db);
  provider = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const body: Json = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    asked.push(body);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const each of answer)
      response.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...each })}\n\n`);
    response.end("data: [DONE]\n\n");
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  const address = provider.address();
  const baseUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/v1`;
  const register = (name: string, models: string[]) =>
    at.call(createAgent, { body: { name, endpoint: { kind: "openai", baseUrl, models } } });
  await register("single", ["m"]);
  await register("many", ["m", "n"]);
  for (const name of ["clerk", "desk", "silent"]) {
    const { token = "" } = await at.call(createAgent, { body: { name, endpoint: { kind: "custom" } } });
    if (name === "silent") continue;
    const file = skill({ input: z.object({ text: z.string() }), effect: "idempotent", run: async ({ text }) => ({ filed: text }) });
    const skills = { file, ...(name === "desk" && { lose: file }) };
    const agent = defineAgent({ url: at.url, token, name, version: "2.0", skills });
    await agent.start();
    running.push(agent);
  }
  await until(() => at.live.filter((event) => event.type === "agent" && event.status === "online").length >= 2);
});
afterAll(async () => {
  await Promise.all(running.map((agent) => agent.stop()));
  provider.closeAllConnections();
  provider.close();
  await at.close();
  await db.close();
});
beforeEach(() => {
  asked = [];
});

const prepare = (input: Json) => at.agents.executeAgent.prepare(at.step(input));
async function run(input: Json) {
  const call = at.step(input);
  const { effect = "once", binding } = await at.agents.executeAgent.prepare(call);
  return { effect, binding, output: await at.agents.executeAgent.run({ ...call, effect, ...(binding && { binding }) }) };
}

describe("an agent step", () => {
  test.each<[string, Json, object]>([
    ["a text", "Hello", { messages: [{ role: "user", content: "Hello" }] }],
    [
      "a chat",
      { messages: [{ role: "assistant", content: "Hi" }], temperature: 0.5 },
      { messages: [{ role: "assistant", content: "Hi" }], temperature: 0.5 },
    ],
    [
      "words with instructions and a form",
      { text: "Hello", instructions: "Be kind", responseSchema: { type: "object" }, round: 1 },
      {
        messages: [
          { role: "system", content: "Be kind" },
          { role: "user", content: "Hello" },
        ],
        response_format: { type: "json_schema" },
      },
    ],
    ["data", { n: 1 }, { messages: [{ role: "user", content: '{"n":1}' }] }],
  ])("asks a provider's model with %s", async (_what, input, expected) => {
    const { effect, binding, output } = await run({ agent: "single", input });
    expect(asked).toMatchObject([{ model: "m", ...expected }]);
    expect(effect).toBe("none");
    expect(binding).toMatchObject({ model: "m" });
    expect(output).toMatchObject({ text: '{"ok": true}', usage: { totalTokens: 5 } });
  });

  test("takes the named model, and wants a name where there are several", async () => {
    await run({ agent: "many", model: "n", input: "x" });
    await run({ agent: "many", model: "many/n", input: "x" });
    expect(asked).toMatchObject([{ model: "n" }, { model: "n" }]);
    await expect(prepare({ agent: "many", input: "x" })).rejects.toMatchObject({
      code: "input_invalid",
      message: expect.stringContaining("many is a provider of m, n"),
    });
  });

  test("asks the built-in model", async () => {
    const { output, binding } = await run({
      agent: "offline",
      input: { text: "One. Two.", instructions: "Task: summarise in 1 sentence" },
    });
    expect(output).toMatchObject({ text: "One.", usage: { unit: "words" } });
    expect(binding).toMatchObject({ agent: "offline" });
  });

  test("calls the only skill of a custom agent, with the skill's effect, and the bound one after a restart", async () => {
    const { effect, binding, output } = await run({ agent: "clerk", input: { text: "a letter", round: 1 } });
    expect(output).toEqual({ filed: "a letter" });
    expect(effect).toBe("idempotent");
    expect(binding).toMatchObject({ agentVersion: "2.0", skill: "file" });
    const { output: named } = await run({ agent: "desk", skill: "lose", input: { text: "x" } });
    expect(named).toEqual({ filed: "x" });
    const desk = await prepare({ agent: "desk", skill: "lose" });
    const call = at.step({ agent: "desk", input: { text: "y" } }, { effect: "once", ...(desk.binding && { binding: desk.binding }) });
    expect(await at.agents.executeAgent.run(call)).toEqual({ filed: "y" });
  });

  test.each<[string, Json, string, RegExp]>([
    ["an agent that is not there", { agent: "nobody" }, "agent_unknown", /no agent nobody/],
    ["no skill where there are two", { agent: "desk" }, "input_invalid", /desk, which has file, lose/],
    ["no skill of an agent that has never connected", { agent: "silent" }, "input_invalid", /silent, and has never connected/],
    ["a model that the provider does not have", { agent: "many", model: "z" }, "model_unknown", /no model z/],
    ["no agent", { input: 1 }, "input_invalid", /agent/],
  ])("refuses %s", async (_what, input, code, message) => {
    expect(await failureOf(prepare(input))).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

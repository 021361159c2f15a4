import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createAgent, deleteAgent, testAgent } from "#contract/agents.ts";
import type { Json } from "#contract/common.ts";
import { chatCompletions, openaiModels } from "#contract/openai.ts";
import { AppError } from "#server/kernel/errors.ts";
import { EventStream, type SseEvent } from "#server/kernel/handle.ts";
import { closedPort, failureOf, testAgents, type TestAgents } from "#test/support/agents.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

type Received = { headers: IncomingMessage["headers"]; body: Record<string, unknown> };
let db: TestDatabase;
let at: TestAgents;
let provider: Server;
let baseUrl = "";
let received: Received[] = [];
let answer: (response: ServerResponse) => void = () => {};

beforeAll(async () => {
  db = await testDatabase();
  at = await testAgents(db);
  provider = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    received.push({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString("utf8")) });
    answer(response);
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  const address = provider.address();
  baseUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/v1`;
  at.secrets.set("PROVIDER_KEY", "sk-secret");
  await at.call(createAgent, {
    body: { name: "house", endpoint: { kind: "openai", baseUrl, keySecret: "PROVIDER_KEY", models: ["small", "vendor/large"] } },
  });
  await at.call(createAgent, { body: { name: "open", endpoint: { kind: "openai", baseUrl } } });
});
afterAll(async () => {
  await at.close();
  provider.closeAllConnections();
  provider.close();
  await db.close();
});
afterEach(() => {
  received = [];
  at.frames.length = 0;
});

const messages = [{ role: "user", content: "Hello" }];
const chunk = (delta: object, finish_reason: string | null = null): object => ({
  id: "c",
  object: "chat.completion.chunk",
  created: 1,
  model: "small",
  choices: [{ index: 0, delta, finish_reason }],
});
const stream =
  (...chunks: object[]) =>
  (response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const each of chunks) response.write(`data: ${JSON.stringify(each)}\n\n`);
    response.end("data: [DONE]\n\n");
  };
const says = (...texts: string[]) =>
  stream(...texts.map((content) => chunk({ content })), chunk({}, "stop"), {
    ...chunk({}),
    choices: [],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
const fails =
  (status: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ error: { message: "no luck", type: "x" } }));
  };
const run = async (input: Json, more = {}) => {
  const call = at.step(input, more);
  const { effect, binding } = await at.agents.executeModel.prepare(call);
  return at.agents.executeModel.run({ ...call, effect: effect ?? "once", ...(binding && { binding }) });
};

describe("a provider's model in a step", () => {
  test("streams, and the answer has text, usage and finish reason", async () => {
    answer = says("Hel", "lo!");
    expect(await run({ model: "house/small", messages, temperature: 0.5, maxTokens: 50 })).toEqual({
      text: "Hello!",
      json: null,
      usage: { promptTokens: 3, completionTokens: 2, totalTokens: 5, unit: "tokens" },
      finishReason: "stop",
      toolCalls: [],
    });
    expect(received[0]?.body).toMatchObject({ model: "small", messages, temperature: 0.5, max_tokens: 50, stream: true });
    expect(received[0]?.headers.authorization).toBe("Bearer sk-secret");
    expect(Object.keys(received[0]?.headers ?? {}).filter((name) => name.startsWith("openai") || name.startsWith("x-"))).toEqual([]);
  });

  test("leaves frames: request, one summary of the stream, response", async () => {
    answer = says("a", "b", "c");
    const call = at.step({ model: "house/small", messages });
    await at.agents.executeModel.run(call);
    expect(at.frames.map(({ kind }) => kind)).toEqual(["request", "chunk", "response"]);
    expect(at.frames[1]?.content).toEqual({ streamed: { tokens: 3, characters: 3 } });
    expect(at.frames[2]).toMatchObject({
      direction: "in",
      from: "house/small",
      to: "auterity",
      step: call.step,
      latencyMs: expect.any(Number),
    });
    expect(JSON.stringify(at.frames)).not.toContain("sk-secret");
  });

  test("is found by a bare id that one provider lists, and bound to that provider", async () => {
    answer = says("x");
    const call = at.step({ model: "vendor/large", messages });
    const { effect, binding } = await at.agents.executeModel.prepare(call);
    expect(effect).toBe("none");
    expect(binding).toMatchObject({ model: "vendor/large", agentVersion: "1" });
    await at.agents.executeModel.run({ ...call, ...(binding && { binding }) });
    expect(received[0]?.body["model"]).toBe("vendor/large");
  });

  test("sends no credential where none is registered", async () => {
    answer = says("x");
    await run({ model: "open/anything", messages });
    expect(received[0]?.headers.authorization).toBeUndefined();
  });

  test("tool calls are put together from their pieces", async () => {
    answer = stream(
      chunk({ tool_calls: [{ index: 0, id: "t1", function: { name: "look", arguments: '{"a"' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }),
      chunk({}, "tool_calls"),
    );
    expect(await run({ model: "house/small", messages })).toMatchObject({
      finishReason: "tool_calls",
      toolCalls: [{ id: "t1", name: "look", arguments: '{"a":1}' }],
    });
  });

  test("JSON is asked for, parsed and checked", async () => {
    const responseSchema = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
    answer = says('```json\n{"n": 1}\n```');
    expect(await run({ model: "house/small", messages, responseSchema })).toMatchObject({ json: { n: 1 } });
    expect(received[0]?.body["response_format"]).toMatchObject({ type: "json_schema", json_schema: { schema: responseSchema } });
    answer = says('{"n": "one"}');
    await expect(run({ model: "house/small", messages, responseSchema })).rejects.toMatchObject({
      code: "model_failed",
      retryable: true,
      issues: [{ path: "n" }],
    });
    answer = says("no JSON at all");
    await expect(run({ model: "house/small", messages, responseSchema })).rejects.toMatchObject({
      code: "model_failed",
      message: expect.stringContaining("no JSON at all"),
    });
  });
});

describe("what goes wrong with a provider", () => {
  test.each([
    [429, { "retry-after": "7" }, { code: "model_rate_limited", retryable: true, retryAfterMs: 7_000 }],
    [500, {}, { code: "model_failed", retryable: true }],
    [401, {}, { code: "model_failed", retryable: false }],
    [400, {}, { code: "model_failed", retryable: false }],
  ])("an answer with %i is classed", async (status, headers, expected) => {
    answer = fails(status, headers);
    await expect(run({ model: "house/small", messages })).rejects.toMatchObject(expected);
    expect(received).toHaveLength(1);
    expect(at.frames.at(-1)).toMatchObject({ kind: "error", content: { code: expected.code } });
  });

  test("a stream that breaks off is no answer", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(chunk({ content: "half" }))}\n\n`, () => response.destroy());
    };
    await expect(run({ model: "house/small", messages })).rejects.toMatchObject({
      code: expect.stringMatching(/model_failed|agent_unreachable/),
    });
    answer = stream(chunk({ content: "half" }));
    await expect(run({ model: "house/small", messages })).rejects.toMatchObject({ code: "model_failed", retryable: true });
  });

  test("an error inside the stream is the provider's", async () => {
    answer = stream({ error: { message: "overloaded", type: "server_error" } });
    await expect(run({ model: "house/small", messages })).rejects.toMatchObject({ code: "model_failed", retryable: true });
  });

  test("nobody listens", async () => {
    await at.call(createAgent, {
      body: { name: "gone", endpoint: { kind: "openai", baseUrl: `http://127.0.0.1:${await closedPort()}/v1` } },
    });
    await expect(run({ model: "gone/m", messages })).rejects.toMatchObject({ code: "agent_unreachable", retryable: true });
  });

  test("an address that nobody has allowed stays closed", async () => {
    const other = await testAgents(db);
    try {
      await other.call(createAgent, { body: { name: "house", endpoint: { kind: "openai", baseUrl } }, role: "designer" });
      await expect(other.agents.executeModel.run(other.step({ model: "house/m", messages }))).rejects.toMatchObject({
        code: "egress_denied",
      });
    } finally {
      await other.close();
    }
  });

  test("a missing key, an unknown model and a deleted provider say so", async () => {
    await at.call(createAgent, { body: { name: "keyless", endpoint: { kind: "openai", baseUrl, keySecret: "NO_SUCH_KEY" } } });
    await expect(run({ model: "keyless/m", messages })).rejects.toMatchObject({ code: "secret_missing" });
    await expect(run({ model: "house/tiny", messages })).rejects.toMatchObject({
      code: "model_unknown",
      message: expect.stringContaining("small, vendor/large"),
    });
    await expect(run({ model: "nowhere", messages })).rejects.toMatchObject({ code: "model_unknown" });
    const rival = await at.call(createAgent, { body: { name: "rival", endpoint: { kind: "openai", baseUrl, models: ["small"] } } });
    await expect(run({ model: "small", messages })).rejects.toMatchObject({ message: expect.stringContaining("house/small, rival/small") });
    const call = at.step({ model: "rival/small", messages });
    const { binding } = await at.agents.executeModel.prepare(call);
    await at.call(deleteAgent, { params: { id: rival.id } });
    await expect(at.agents.executeModel.run({ ...call, ...(binding && { binding }) })).rejects.toMatchObject({ code: "agent_unknown" });
    await expect(run({ model: "house/small", messages: [] })).rejects.toMatchObject({ code: "input_invalid" });
  });

  test("a cancelled call ends at once", async () => {
    const silent = Promise.withResolvers<void>();
    answer = () => silent.resolve();
    const controller = new AbortController();
    const failed = failureOf(run({ model: "house/small", messages }, { signal: controller.signal }));
    await silent.promise;
    controller.abort(new AppError("step_cancelled", "enough"));
    expect(await failed).toMatchObject({ code: "step_cancelled" });
  });
});

describe("the built-in model", () => {
  test("works in a step and is bound to its version", async () => {
    const call = at.step({ model: "offline/extractive", messages: [{ role: "user", content: "The car is red. The car is fast." }] });
    const { binding } = await at.agents.executeModel.prepare(call);
    expect(binding).toEqual({ agent: "offline", agentVersion: "auterity-extractive-1", model: "extractive" });
    expect(await at.agents.executeModel.run({ ...call, ...(binding && { binding }) })).toMatchObject({ usage: { unit: "words" } });
  });
});

async function eventsOf(answered: unknown): Promise<SseEvent[]> {
  if (!(answered instanceof EventStream)) throw new Error("expected a stream");
  const events: SseEvent[] = [];
  for await (const event of answered.events) events.push(event);
  return events;
}

describe("the OpenAI-compatible API", () => {
  const body = {
    model: "offline/extractive",
    messages: [
      { role: "developer", content: "Task: key phrases" },
      { role: "user", content: [{ type: "text", text: "The brake fluid is low." }] },
    ],
  };

  test("answers one document, labelled", async () => {
    expect(await at.call(chatCompletions, { body })).toMatchObject({
      object: "chat.completion",
      model: "offline/extractive",
      system_fingerprint: "auterity-extractive-1",
      choices: [{ message: { role: "assistant", content: "brake fluid\nlow" }, finish_reason: "stop" }],
    });
  });

  test("streams chunks up to [DONE], with usage when asked", async () => {
    answer = says("Hel", "lo");
    const events = await eventsOf(
      await at.raw(chatCompletions, { body: { model: "house/small", messages, stream: true, stream_options: { include_usage: true } } }),
    );
    const text = events.flatMap((event) => ("data" in event ? [event.data] : []));
    expect(text).toMatchObject([
      { choices: [{ delta: { role: "assistant" } }] },
      { choices: [{ delta: { content: "Hel" } }] },
      { choices: [{ delta: { content: "lo" } }] },
      { choices: [{ finish_reason: "stop" }] },
      { choices: [], usage: { total_tokens: 5 } },
    ]);
    expect(events.at(-1)).toEqual({ raw: "[DONE]" });
  });

  test("a call that cannot begin is an error, not a broken stream; one that breaks says so in the stream", async () => {
    answer = fails(500);
    await expect(at.raw(chatCompletions, { body: { model: "house/small", messages, stream: true } })).rejects.toMatchObject({
      code: "model_failed",
    });
    answer = stream(chunk({ content: "half" }));
    const events = await eventsOf(await at.raw(chatCompletions, { body: { model: "house/small", messages, stream: true } }));
    expect(events.at(-1)).toMatchObject({ data: { error: { code: "model_failed" } } });
  });

  test("passes JSON formats on and refuses tool messages", async () => {
    const format = { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } };
    const asked = await at.call(chatCompletions, { body: { ...body, response_format: format } });
    expect(JSON.parse(asked.choices[0]?.message.content ?? "")).toHaveProperty("phrases");
    await at.call(chatCompletions, { body: { ...body, response_format: { type: "json_object" } } });
    await expect(at.call(chatCompletions, { body: { ...body, response_format: { type: "json_schema" } } })).rejects.toMatchObject({
      code: "request_invalid",
    });
    await expect(at.call(chatCompletions, { body: { ...body, messages: [{ role: "tool", content: "x" }] } })).rejects.toMatchObject({
      code: "request_invalid",
    });
    await expect(at.call(chatCompletions, { body: { ...body, model: "no/such" } })).rejects.toMatchObject({ code: "model_unknown" });
  });

  test("lists the models", async () => {
    const { data } = await at.call(openaiModels);
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(["offline/extractive", "house/small", "house/vendor/large"]));
  });
});

describe("trying a provider", () => {
  test("sends one message to its first model", async () => {
    answer = says("fine");
    const { id } = await at.call(createAgent, { body: { name: "tried", endpoint: { kind: "openai", baseUrl, models: ["first"] } } });
    expect(await at.call(testAgent, { params: { id }, body: { input: { a: 1 } } })).toMatchObject({ output: { text: "fine" } });
    expect(received[0]?.body).toMatchObject({ model: "first", messages: [{ role: "user", content: '{"a":1}' }] });
    const none = await at.call(createAgent, { body: { name: "listless", endpoint: { kind: "openai", baseUrl } } });
    await expect(at.call(testAgent, { params: { id: none.id }, body: { input: "x" } })).rejects.toMatchObject({ code: "model_unknown" });
  });
});

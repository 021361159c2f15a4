import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { AGENT_PROTOCOL, ToAgent } from "#contract/agent-socket.ts";
import { createAgent, deleteAgent, getAgent, testAgent } from "#contract/agents.ts";
import type { Json } from "#contract/common.ts";
import { LIMITS } from "#contract/limits.ts";
import { AppError } from "#server/kernel/errors.ts";
import { defineAgent, skill, type RunningAgent } from "#sdk/agent.ts";
import { failureOf, testAgents, until, type TestAgents } from "#test/support/agents.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

let db: TestDatabase;
let at: TestAgents;
let agentId = "";
let token = "";
let count = 0;
let name = "";
const sockets: WebSocket[] = [];
const running: RunningAgent[] = [];

beforeAll(async () => {
  db = await testDatabase();
  at = await testAgents(db, { times: { graceMs: 400, sweepMs: 50, heartbeatMs: 200 } });
});
afterAll(async () => {
  await at.close();
  await db.close();
});
beforeEach(async () => {
  name = `agent${count++}`;
  const made = await at.call(createAgent, { body: { name, endpoint: { kind: "custom" } } });
  agentId = made.id;
  token = made.token ?? "";
  at.frames.length = 0;
  at.live.length = 0;
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await Promise.all(running.splice(0).map((agent) => agent.stop()));
});

const doubled = {
  description: "Doubles",
  inputSchema: { type: "object", properties: { n: { type: "number" } }, required: ["n"] },
  effect: "idempotent",
};
const hello = (more: object = {}): object => ({
  type: "hello",
  protocol: AGENT_PROTOCOL,
  version: "2.1.0",
  skills: [{ name: "double", ...doubled }, { name: "send" }],
  concurrency: 2,
  ...more,
});

/** A raw connection whose frames the test answers itself. */
async function connect(
  greeting: object | null = hello(),
): Promise<{ socket: WebSocket; received: ToAgent[]; send: (frame: object) => void }> {
  const socket = new WebSocket(`${at.url.replace("http", "ws")}/ws/agents`, { headers: { authorization: `Bearer ${token}` } });
  sockets.push(socket);
  const received: ToAgent[] = [];
  socket.on("message", (data) => received.push(ToAgent.parse(JSON.parse(Buffer.isBuffer(data) ? data.toString() : ""))));
  socket.on("error", () => {});
  await once(socket, "open");
  const send = (frame: object): void => socket.send(JSON.stringify(frame));
  if (greeting) send(greeting);
  if (greeting) await until(() => received.some((frame) => frame.type === "welcome") || socket.readyState === WebSocket.CLOSED);
  return { socket, received, send };
}
const invokes = (received: ToAgent[]) => received.flatMap((frame) => (frame.type === "invoke" ? [frame] : []));
async function nextInvoke(received: ToAgent[], nth = 0) {
  await until(() => invokes(received).length > nth);
  const frame = invokes(received)[nth];
  if (!frame) throw new Error("no invoke");
  return frame;
}
const closeOf = async (socket: WebSocket): Promise<[number, string]> => {
  const [code, reason] = await once(socket, "close");
  return [code, String(reason)];
};
const double = (n: Json, more = {}) => at.agents.executeCustom.run(at.step({ agent: name, skill: "double", input: { n } }, more));
const once_ = { effect: "once" } as const;
const status = async (): Promise<string> => (await at.call(getAgent, { params: { id: agentId } })).status;

describe("a connection", () => {
  test("announces skills and version, is online, and goes offline", async () => {
    const { socket, received } = await connect();
    expect(received[0]).toEqual({ type: "welcome", agentId, name });
    expect(await at.call(getAgent, { params: { id: agentId } })).toMatchObject({
      status: "online",
      version: "2.1.0",
      skills: [
        { name: "double", effect: "idempotent" },
        { name: "send", effect: "once" },
      ],
    });
    socket.close();
    await until(async () => (await status()) === "offline");
    expect(at.live).toEqual([
      { type: "agent", agentId, status: "online" },
      { type: "agent", agentId, status: "offline" },
    ]);
  });

  test.each([
    ["no JSON", "nonsense", 4400],
    ["an unknown frame", '{"type":"shout"}', 4400],
    ["another protocol", JSON.stringify({ ...hello(), protocol: "other" }), 4400],
    ["an answer before hello", '{"type":"result","id":"1","output":1}', 4400],
    ["nesting without end", "[".repeat(200_000), 4400],
    ["unstorable text", JSON.stringify(hello({ skills: [{ name: "a\0b" }] })), 4400],
    ["too much", JSON.stringify({ type: "x".repeat(LIMITS.socketMessageBytes) }), 1009],
  ])("is closed on %s", async (_what, text, code) => {
    const { socket } = await connect(null);
    const closed = closeOf(socket);
    socket.send(text);
    const [closeCode, reason] = await closed;
    expect(closeCode).toBe(code);
    expect(reason).not.toBe("");
  });

  test("is closed on binary messages and on a second hello", async () => {
    const first = await connect(null);
    first.socket.send(Buffer.from([1, 2, 3]));
    expect((await closeOf(first.socket))[0]).toBe(4400);
    const second = await connect();
    second.send(hello());
    expect((await closeOf(second.socket))[0]).toBe(4400);
  });

  test("ends within the sweep when its token is revoked, and when its agent is deleted", async () => {
    const first = await connect();
    await db.ownerPool.query("update agent_tokens set revoked_at = now() where agent_id = $1", [agentId]);
    expect((await closeOf(first.socket))[0]).toBe(4401);
    const { token: fresh } = await at.agents.ensureAgent({
      tenantId: at.tenantId,
      actor: "system",
      agent: { name, description: "", environment: "production", endpoint: { kind: "custom" } },
    });
    token = fresh ?? "";
    const second = await connect();
    const closed = closeOf(second.socket);
    const waiting = failureOf(double(1));
    await nextInvoke(second.received);
    await at.call(deleteAgent, { params: { id: agentId } });
    expect((await closed)[0]).toBe(4401);
    expect(await waiting).toMatchObject({ code: "agent_unknown" });
  });

  test("that stops answering pings is dropped", async () => {
    const { socket } = await connect();
    socket.pause();
    await until(async () => (await status()) === "offline");
  });
});

describe("an invocation", () => {
  test("passes input, key and step, and returns the agent's output", async () => {
    const { received, send } = await connect();
    const call = at.step({ agent: name, skill: "double", input: { n: 2 } });
    const prepared = await at.agents.executeCustom.prepare(call);
    expect(prepared).toEqual({ effect: "idempotent", binding: { agent: agentId, agentVersion: "2.1.0" } });
    const result = at.agents.executeCustom.run({ ...call, ...(prepared.binding && { binding: prepared.binding }) });
    const frame = await nextInvoke(received);
    expect(frame).toMatchObject({ skill: "double", input: { n: 2 }, key: call.key, runId: call.step.runId, stepId: "node" });
    expect(frame.deadlineMs).toBeLessThanOrEqual(20_000);
    send({ type: "progress", id: frame.id, data: "half" });
    send({ type: "result", id: frame.id, output: 4 });
    expect(await result).toBe(4);
    expect(at.frames.map(({ kind, content }) => [kind, content])).toEqual([
      ["request", { content: { skill: "double", input: { n: 2 } }, idempotencyKey: call.key }],
      ["notification", "half"],
      ["response", 4],
    ]);
  });

  test("fails with the agent's message", async () => {
    const { received, send } = await connect();
    const failed = failureOf(double(1));
    send({ type: "failure", id: (await nextInvoke(received)).id, message: "out of paper", retryable: true });
    expect(await failed).toMatchObject({
      code: "agent_failed",
      retryable: true,
      message: expect.stringContaining("out of paper"),
    });
  });

  test("is not sent when it does not fit: unknown skill, wrong input, too large", async () => {
    await connect();
    await expect(double("two")).rejects.toMatchObject({ code: "input_invalid", issues: [{ path: "n" }] });
    await expect(at.agents.executeCustom.run(at.step({ agent: name, skill: "fly", input: {} }))).rejects.toMatchObject({
      code: "agent_unknown",
      message: expect.stringContaining("double, send"),
    });
    const large = { agent: name, skill: "send", input: "x".repeat(LIMITS.socketMessageBytes) };
    await expect(at.agents.executeCustom.run(at.step(large))).rejects.toMatchObject({ code: "body_too_large" });
    await expect(at.agents.executeCustom.prepare(at.step({ agent: "nobody", skill: "x" }))).rejects.toMatchObject({
      code: "input_invalid",
    });
    await expect(at.agents.executeCustom.prepare(at.step({ agent: "nobody", skill: "x", input: 1 }))).rejects.toMatchObject({
      code: "agent_unknown",
    });
  });

  test("answers nested too deeply are refused", async () => {
    const { received, send } = await connect();
    const failed = failureOf(double(1));
    send({ type: "result", id: (await nextInvoke(received)).id, output: JSON.parse("[".repeat(100) + "]".repeat(100)) });
    expect(await failed).toMatchObject({ code: "agent_protocol_error" });
  });

  test("waits in a queue beyond the agent's concurrency, and spreads over connections", async () => {
    const first = await connect();
    const calls = Promise.all([double(1), double(2), double(3), double(4), double(5)]);
    await nextInvoke(first.received, 1);
    const second = await connect();
    await nextInvoke(second.received, 1);
    expect(invokes(first.received)).toHaveLength(2);
    for (const { received, send } of [first, second]) for (const { id } of invokes(received)) send({ type: "result", id, output: "done" });
    await until(() => invokes(first.received).length + invokes(second.received).length === 5);
    for (const { received, send } of [first, second]) for (const { id } of invokes(received)) send({ type: "result", id, output: "done" });
    expect(await calls).toEqual(["done", "done", "done", "done", "done"]);
  });

  test("is cancelled at the agent when the step is, and not when only the run went elsewhere", async () => {
    const { received } = await connect();
    const controller = new AbortController();
    const cancelled = failureOf(double(1, { signal: controller.signal }));
    const frame = await nextInvoke(received);
    controller.abort(new AppError("step_cancelled", "enough"));
    expect(await cancelled).toMatchObject({ code: "step_cancelled" });
    await until(() => received.some((each) => each.type === "cancel" && each.id === frame.id));
    const lost = new AbortController();
    const gone = failureOf(double(2, { signal: lost.signal }));
    const second = await nextInvoke(received, 1);
    lost.abort(new AppError("run_lost", "another worker has it"));
    expect(await gone).toMatchObject({ code: "run_lost" });
    expect(received.some((each) => each.type === "cancel" && each.id === second.id)).toBe(false);
  });

  test("waits for an agent that is not there yet, and says so when it never comes", async () => {
    const early = double(21);
    const { received, send } = await connect();
    const frame = await nextInvoke(received);
    send({ type: "result", id: frame.id, output: 42 });
    expect(await early).toBe(42);
    sockets.at(-1)?.terminate();
    await until(async () => (await status()) === "offline");
    await expect(double(1, { timeoutMs: 100 })).rejects.toMatchObject({ code: "agent_offline", retryable: true });
    await expect(double(1, { signal: AbortSignal.abort(new AppError("step_cancelled", "x")) })).rejects.toMatchObject({
      code: "step_cancelled",
    });
  });
});

describe("a lost connection", () => {
  test("work goes back to the same process under the same key", async () => {
    const first = await connect(hello({ instance: "p1" }));
    const result = double(1, once_);
    const before = await nextInvoke(first.received);
    first.socket.terminate();
    const second = await connect(hello({ instance: "p1" }));
    const after = await nextInvoke(second.received);
    expect(after).toMatchObject({ id: before.id, key: before.key });
    second.send({ type: "result", id: after.id, output: "remembered" });
    expect(await result).toBe("remembered");
  });

  test("work that must not happen twice goes to no other process, and is in doubt when its own stays away", async () => {
    const first = await connect(hello({ instance: "p1" }));
    const result = failureOf(double(1, once_));
    await nextInvoke(first.received);
    first.socket.terminate();
    const second = await connect(hello({ instance: "p2" }));
    expect(await result).toMatchObject({ code: "step_in_doubt", retryable: false });
    expect(invokes(second.received)).toEqual([]);
  });

  test("work that may happen twice goes to any process, and is retried when none comes", async () => {
    const first = await connect(hello({ instance: "p1" }));
    const result = double(1, { effect: "idempotent" });
    await nextInvoke(first.received);
    first.socket.terminate();
    const second = await connect(hello({ instance: "p2" }));
    second.send({ type: "result", id: (await nextInvoke(second.received)).id, output: 2 });
    expect(await result).toBe(2);
    const again = failureOf(double(1, { effect: "idempotent" }));
    await nextInvoke(second.received, 1);
    second.socket.terminate();
    expect(await again).toMatchObject({ code: "agent_offline", retryable: true });
  });
});

describe("approval of effects", () => {
  test("without an owner's approval every skill counts as once", async () => {
    const strict = await testAgents(db, { ownerApproves: false });
    try {
      const made = await strict.call(createAgent, { body: { name: "own", endpoint: { kind: "custom" } } });
      expect(await strict.agents.executeCustom.prepare(strict.step({ agent: "own", skill: "double", input: 1 }))).toEqual({
        effect: "once",
        binding: { agent: made.id, agentVersion: "1" },
      });
    } finally {
      await strict.close();
    }
  });
});

describe("an agent made with the SDK", () => {
  test("is welcomed, works, reports progress and is tried outside a run", async () => {
    const agent = defineAgent({
      name,
      version: "1.0.0",
      url: at.url,
      token,
      skills: {
        double: skill({ input: z.object({ n: z.number() }), effect: "none", run: ({ n }, { progress }) => (progress("on it"), n * 2) }),
      },
    });
    running.push(agent);
    await agent.start();
    expect(await double(4)).toBe(8);
    expect(await at.call(testAgent, { params: { id: agentId }, body: { input: { n: 5 } } })).toMatchObject({ output: 10 });
    await expect(at.call(testAgent, { params: { id: agentId }, body: { input: { n: "x" } } })).rejects.toMatchObject({
      code: "input_invalid",
    });
    await agent.stop();
    await until(async () => (await status()) === "offline");
    await expect(at.call(testAgent, { params: { id: agentId }, body: { input: { n: 5 } } })).rejects.toMatchObject({
      code: "agent_offline",
    });
  });

  test("reconnects after a loss and answers a finished key from memory", async () => {
    let runs = 0;
    const release = Promise.withResolvers<void>();
    const agent = defineAgent({
      name,
      version: "1.0.0",
      url: at.url,
      token,
      skills: {
        send: skill({
          input: z.object({}),
          run: async () => {
            runs += 1;
            await release.promise;
            return `sent ${runs}`;
          },
        }),
      },
    });
    running.push(agent);
    await agent.start();
    const result = at.agents.executeCustom.run(at.step({ agent: name, skill: "send", input: {} }, once_));
    await until(() => runs === 1);
    at.dropSockets();
    await until(() => at.live.some((event) => event.type === "agent" && event.status === "offline"));
    release.resolve();
    expect(await result).toBe("sent 1");
    expect(runs).toBe(1);
  });

  test("with a wrong token is refused for good", async () => {
    const agent = defineAgent({ name, version: "1", url: at.url, token: "aut_agent_wrong", skills: {} });
    await expect(agent.start()).rejects.toThrow(/HTTP 401/);
    await expect(agent.ended).rejects.toThrow(/refuses the agent/);
    await agent.stop();
  });
});

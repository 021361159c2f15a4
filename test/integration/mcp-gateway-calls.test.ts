import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import type { Client, ClientOptions } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ERAS, gatewayClient, raw, rawSession, rpc, type Era, type Target } from "#test/support/mcp/gateway.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../support/mcp/${name}.ts`, import.meta.url));

let platform: StartedPlatform;
let talkId: string;
const clients: Client[] = [];

const target = (path = "/mcp"): Target => ({ url: `${platform.url}${path}`, token: platform.token });
async function connect(era: Era, options?: ClientOptions & { prepare?: (client: Client) => void }): Promise<Client> {
  const client = await gatewayClient(target(), era, options);
  clients.push(client);
  return client;
}

beforeAll(async () => {
  platform = await startedPlatform();
  const launch = { transport: "stdio" as const, command: process.execPath, args: [fixture("talkative-server")] };
  const settings = { calls: { cacheMs: 60_000 } };
  talkId = (await platform.client.createMcpServer({ body: { name: "talk", launch, settings } })).id;
});
afterAll(async () => {
  await Promise.allSettled(clients.map((client) => client.close()));
  await platform.close();
});

const call = (session: Record<string, string>, id: number, params: object) =>
  raw(target(), { headers: session, body: rpc({ id, method: "tools/call", params }) });
const count = { name: "talk__count", arguments: { steps: 1, everyMs: 1 } };
const textOf = async (answer: ReturnType<Client["callTool"]>): Promise<string> => {
  const [first] = (await answer).content;
  return first?.type === "text" ? first.text : "";
};

// First: for a while after a call that was cancelled, nobody knows whom what the server says belongs to.
test.each(ERAS)("what a server says and asks before its result brings a client of %s no secret", async (era) => {
  const secrets = Object.entries({ SAID: "step 2", LOGGED: "line 0", ASKED: "Who are you?", LISTED: "The note of the day" });
  for (const [name, value] of secrets) await platform.client.putSecret({ params: { name }, body: { value } });
  const told: unknown[] = [];
  const client = await connect(era, {
    capabilities: { elicitation: { form: {} } },
    prepare: (one) =>
      one.setRequestHandler("elicitation/create", ({ params }) => {
        told.push(params.message);
        return { action: "accept", content: { name: "Ada", age: 36 } };
      }),
  });
  client.setNotificationHandler("notifications/message", ({ params }) => void told.push(params.data));
  // Each era asks for something else: results are kept.
  const own = ERAS.indexOf(era);
  const onprogress = ({ message }: { message?: string }): void => void told.push(message);
  await client.callTool({ name: "talk__count", arguments: { steps: 2, everyMs: 2 + own } }, { onprogress });
  const log = { name: "talk__log", arguments: { lines: 1 + own } };
  if (era === "2025-11-25") await client.setLoggingLevel("warning");
  await client.callTool({ ...log, ...(era === "2026-07-28" && { _meta: { "io.modelcontextprotocol/logLevel": "warning" } }) });
  expect(await textOf(client.callTool({ name: "talk__introduce", arguments: {} }))).toBe("You are Ada, 36.");
  const lines = own === 0 ? ["[redacted]"] : ["[redacted]", "line 1"];
  expect(told).toEqual(["step 1", "[redacted]", ...lines, "[redacted]"]);
  const { items } = await platform.client.listMcpResources({ params: { id: talkId } });
  expect(items).toContainEqual(expect.objectContaining({ uri: "notes://today", description: "[redacted]" }));
});

describe("what no client should send", () => {
  test.each([
    { name: { toString: null } },
    { name: ["count"] },
    {},
    { name: "talk__count", arguments: [1] },
    { name: "talk__count", _meta: { progressToken: { toString: null } } },
  ])("%j is refused as a request, and everybody else is served", async (params) => {
    const session = await rawSession(target());
    expect(JSON.parse((await call(session, 2, params)).text)).toMatchObject({ id: 2, error: { code: -32_602 } });
    expect((await call(session, 3, count)).text).toContain("counted to 1");
  });

  test.each([{ toString: null }, [[[[]]]], 7, null])("a cancellation with the reason %j cancels, and nothing else", async (reason) => {
    const session = await rawSession(target());
    const open = call(session, 2, { name: "talk__count", arguments: { steps: 50, everyMs: 100 } });
    const calls = () => platform.client.getServerCalls({ params: { id: talkId } });
    const running = async (): Promise<number | undefined> => (await calls()).tools.find(({ name }) => name === "count")?.running;
    await vi.waitFor(async () => expect(await running()).toBe(1), { timeout: 5_000 });
    const body = rpc({ method: "notifications/cancelled", params: { requestId: 2, reason } });
    expect((await raw(target(), { headers: session, body })).status).toBe(202);
    expect((await open).text).not.toContain("counted");
    await vi.waitFor(async () => expect(await running()).toBe(0), { timeout: 5_000 });
    const { items } = await platform.client.listAudit({ query: { action: "mcp_tool.call_left" } });
    expect(items).toEqual([]);
    expect((await call(session, 2, count)).text).toContain("counted to 1");
  });

  test("an id of 256 characters is one, and a longer one is none", async () => {
    const session = await rawSession(target());
    const ping = (id: string) => raw(target(), { headers: session, body: rpc({ id, method: "ping" }) });
    expect((await ping("x".repeat(256))).status).toBe(200);
    expect((await ping("x".repeat(257))).text).toContain("at most 256 characters");
  });
});

describe("a client that is asked", () => {
  const capabilities = { elicitation: { form: {} } };
  const named = (name: string) => (client: Client) =>
    client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name, age: 36 } }));

  test.each(ERAS)("of %s gets its own answer, also where results are kept", async (era) => {
    const introduce = async (name: string): Promise<string> => {
      const client = await connect(era, { capabilities, prepare: named(name) });
      return textOf(client.callTool({ name: "talk__introduce", arguments: {} }));
    };
    expect(await introduce("Ada")).toBe("You are Ada, 36.");
    expect(await introduce("Bert")).toBe("You are Bert, 36.");
  });

  test("and answers nonsense gets a result that says so, and its server is not blamed for it", async () => {
    const prepare = (client: Client): void =>
      client.setRequestHandler("elicitation/create", () => {
        throw new Error("I would rather not say.");
      });
    const client = await connect("2025-11-25", { capabilities, prepare });
    for (let i = 0; i < 12; i += 1) {
      const result = await client.callTool({ name: "talk__introduce", arguments: {} });
      expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("I would rather not say.") }] });
    }
    const { tools, breaker } = await platform.client.getServerCalls({ params: { id: talkId } });
    const introduce = tools.find(({ name }) => name === "introduce");
    expect([introduce?.breaker.state, breaker.state]).toEqual(["closed", "closed"]);
  });
});

test("a session that ends in the middle of a request does not take the server's connection with it", async () => {
  const before = await platform.client.getMcpServer({ params: { id: talkId } });
  const session = await rawSession(target());
  const body = rpc({ id: 2, method: "resources/read", params: { uri: "auterity:talk/notes://slow" } });
  const open = raw(target(), { headers: session, body }).catch(() => undefined);
  await pause(200);
  expect((await raw(target(), { method: "DELETE", headers: session })).status).toBe(204);
  await open;
  await pause(300);
  const other = await rawSession(target());
  expect((await call(other, 2, count)).text).toContain("counted to 1");
  const after = await platform.client.getMcpServer({ params: { id: talkId } });
  expect([after.state, after.startedAt]).toEqual(["READY", before.startedAt]);
});

test.each([
  ["2025-11-25", { result: [1, 2] }],
  ["2026-07-28", [1, 2]],
] as const)("a structured result that is no object reaches a client of %s as its era has it", async (era, structuredContent) => {
  const client = await connect(era);
  const result = await client.callTool({ name: "talk__pair", arguments: {} });
  expect(result.structuredContent).toEqual(structuredContent);
});

test("a session with one server does not become one with another that has got its name", async () => {
  const session = await rawSession(target("/mcp/servers/talk"));
  const ping = async (name: string): Promise<number> =>
    (await raw(target(`/mcp/servers/${name}`), { headers: session, body: rpc({ id: 2, method: "ping" }) })).status;
  expect(await ping("talk")).toBe(200);
  await platform.client.updateMcpServer({ params: { id: talkId }, body: { name: "talked" } });
  const launch = { transport: "stdio" as const, command: process.execPath, args: [fixture("talkative-server")] };
  await platform.client.createMcpServer({ body: { name: "talk", launch, start: false } });
  expect([await ping("talk"), await ping("talked")]).toEqual([404, 200]);
});

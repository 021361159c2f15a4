import { randomUUID } from "node:crypto";
import { createServer, request as open, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { AppError } from "#server/kernel/errors.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { McpAnswer, McpRequest } from "#server/kernel/mcp-endpoint.ts";
import type { Audit, Database, Frame } from "#server/kernel/ports.ts";
import { createRedactor } from "#server/secrets/index.ts";
import { rpc } from "#test/support/mcp/gateway.ts";
import type { CallTool } from "../calls/invoke-tool.ts";
import type { ResourceWatcher } from "../connection/watched-resources.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import { createServeClient } from "./clients.ts";
import { oneServer } from "./exposure.ts";
import type { Find } from "./find.ts";
import type { Endpoint } from "./identity.ts";
import { createKnownLists } from "./lists.ts";
import { readMessage } from "./messages.ts";
import { createStateful, type Stateful } from "./stateful.ts";
import { createStateless, type Stateless } from "./stateless.ts";

const MODERN = "2026-07-28";
const URI = "notes://today";
const CALLER = { tenantId: "t", principalId: "p", ref: "user:p" } as Caller;

/** Watches URI, as an upstream connection would. */
let watchers: ResourceWatcher[];
let frames: Frame[];
/** What every call does. */
let call: CallTool;
let stateful: Stateful;
let stateless: Stateless;
let url: string;
let close: () => Promise<void>;
const clients: IncomingMessage[] = [];

const watchResource = async (_: string, watcher: ResourceWatcher) => {
  watchers.push(watcher);
  return async () => void (watchers = watchers.filter((one) => one !== watcher));
};
const server = {
  record: { name: "talk" },
  catalogue: { tool: () => undefined },
  connection: { watchResource },
  endSession: () => {},
} as unknown as SupervisedServer;
const endpoint: Endpoint = {
  key: "k",
  isOne: true,
  exposure: oneServer(server),
  find: { resource: async () => ({ server, own: URI }) } as unknown as Find,
  info: { name: "talk", version: "1" },
  instructions: undefined,
  capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
};

beforeEach(async () => {
  watchers = [];
  frames = [];
  const serveClient = createServeClient({
    call: (invocation) => call(invocation),
    lists: createKnownLists({ add: () => {} }),
    redactor: createRedactor(),
    frames: { record: (frame) => void frames.push(frame) },
    database: {} as Database,
    audit: {} as Audit,
    newId: randomUUID,
  });
  stateful = createStateful({ serveClient, newId: randomUUID, idleMs: 60_000 });
  stateless = createStateless({ serveClient, log: silentLog });
  const serve = async (incoming: IncomingMessage, answer: McpAnswer): Promise<void> => {
    const { headers, method = "" } = incoming;
    const body = method === "POST" ? await json(incoming) : undefined;
    const asked: McpRequest = {
      caller: CALLER,
      server: "talk",
      url: "/",
      method,
      headers,
      body,
      need: async () => {},
      mayGoOn: async () => true,
    };
    if ("x-gone" in headers) answer.raw.destroy();
    if (headers["mcp-protocol-version"] === MODERN) return stateless.serve(endpoint, asked, answer);
    if (method === "GET") return stateful.listen(endpoint, asked, answer);
    const message = readMessage(body);
    if (message.kind === "invalid") throw new TypeError(message.why);
    return stateful.post(endpoint, asked, { incoming: message, answer });
  };
  const http = createServer((incoming, raw) => {
    serve(incoming, { raw, headers: {} }).catch((error: unknown) =>
      raw.writeHead(error instanceof AppError ? 429 : 500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  close = async () => {
    for (const client of clients.splice(0)) client.destroy();
    await Promise.all([stateful.close(), stateless.close()]);
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
});
afterEach(() => close());

type Sent = { method?: "GET"; headers?: Record<string, string>; message?: object };

/** The answer, of which nothing has been read yet. */
function send({ method, headers = {}, message }: Sent): Promise<IncomingMessage> {
  const plain = { accept: "application/json, text/event-stream", "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const sent = open(url, { method: method ?? "POST", headers: { ...plain, ...headers } }, (answer) => {
      clients.push(answer.on("error", () => {}));
      resolve(answer);
    });
    sent.on("error", reject).end(message && rpc(message));
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) text += chunk;
  return text;
}

/** What an open stream has brought until now. */
function heard(answer: IncomingMessage): () => string {
  let text = "";
  answer.setEncoding("utf8").on("data", (part: string) => (text += part));
  return () => text;
}

async function session(): Promise<Record<string, string>> {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } };
  const answer = await send({ message: { id: 0, method: "initialize", params } });
  await textOf(answer);
  return { "mcp-session-id": String(answer.headers["mcp-session-id"]) };
}

const modern = (method: string, params: object, name?: string): Sent => {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
    progressToken: 7,
  };
  const headers = { "mcp-protocol-version": MODERN, "mcp-method": method, ...(name !== undefined && { "mcp-name": name }) };
  return { headers, message: { id: 1, method, params: { ...params, _meta: meta } } };
};
const toolCall = { name: "any", arguments: {} };
const ERAS = {
  "2025-11-25": async (): Promise<Sent> => ({
    headers: await session(),
    message: { id: 1, method: "tools/call", params: { ...toolCall, _meta: { progressToken: 7 } } },
  }),
  [MODERN]: async (): Promise<Sent> => modern("tools/call", toolCall, toolCall.name),
};

describe.each(Object.entries(ERAS))("a call of %s", (_era, sent) => {
  test("brings a result that is longer than what a reader may leave unread", async () => {
    const long = "x".repeat(9 * 1024 * 1024);
    call = async ({ onProgress }) => {
      onProgress?.({ progress: 1 });
      return { content: [{ type: "text", text: long }] };
    };
    const text = await textOf(await send(await sent()));
    expect(text).toContain("notifications/progress");
    expect(text).toContain(long);
  });

  test("ends when its client reads nothing of what it is told", async () => {
    const ended = Promise.withResolvers<number>();
    call = async ({ onProgress, signal }) => {
      let told = 0;
      for (; !signal.aborted && told < 200; told += 1) {
        onProgress?.({ progress: told, message: "x".repeat(512 * 1024) });
        await new Promise((resolve) => setImmediate(resolve));
      }
      ended.resolve(told);
      return { content: [] };
    };
    const answer = await send(await sent());
    answer.pause();
    expect(await ended.promise).toBeLessThan(200);
  });
});

describe("a session", () => {
  const stream = async (headers: Record<string, string>): Promise<IncomingMessage> => send({ method: "GET", headers });

  test("hears of the lists that its server has, and of no others", async () => {
    const text = heard(await stream(await session()));
    for (const list of ["prompts", "resources", "tools"] as const) stateful.changed("k", list);
    await vi.waitFor(() => expect(text()).toContain("tools/list_changed"));
    expect(text()).toContain("resources/list_changed");
    expect(text()).not.toContain("prompts");
  });

  test.each([{ _meta: 7 }, { _meta: { progressToken: {} } }])("is told that %j makes no request, in whichever method", async (params) => {
    for (const method of ["ping", "tools/list", "tools/call"]) {
      const answer = await send({ headers: await session(), message: { id: 5, method, params: { ...params, name: "any" } } });
      expect(JSON.parse(await textOf(answer))).toMatchObject({ id: 5, error: { code: -32_602 } });
    }
  });

  test("is recorded with its connection and the tool that it calls", async () => {
    const own = await session();
    call = async () => ({ content: [] });
    await textOf(await send({ headers: own, message: { id: 1, method: "tools/call", params: toolCall } }));
    const calls = frames.filter(({ method }) => method === "tools/call");
    expect(calls).toHaveLength(2);
    for (const { mcp } of calls) {
      expect(mcp).toEqual({ serverId: undefined, connectionId: own["mcp-session-id"], transport: "http", era: "legacy", tool: "any" });
    }
  });

  test("says nothing to streams and requests whose client has gone before they were served", async () => {
    const own = await session();
    const text = heard(await stream(own));
    await expect(stream({ ...own, "x-gone": "1" })).rejects.toThrow();
    let calls = 0;
    call = async () => ({ content: [], calls: (calls += 1) });
    const gone: Sent = { headers: { ...own, "x-gone": "1" }, message: { id: 1, method: "tools/call", params: toolCall } };
    await expect(send(gone)).rejects.toThrow();
    stateful.changed("k", "tools");
    await vi.waitFor(() => expect(text()).toContain("tools/list_changed"));
    expect(calls).toBe(0);
  });
});

test("whoever comes while the platform stops is told so, and leaves no session behind", async () => {
  await Promise.all([stateful.close(), stateless.close()]);
  call = async () => ({ content: [] });
  const begin = {
    message: {
      id: 0,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
    },
  };
  for (const sent of [begin, modern("tools/call", toolCall, toolCall.name)])
    expect(await textOf(await send(sent))).toContain("The platform is stopping.");
  expect([stateful.isEmpty(), stateless.isEmpty()]).toEqual([true, true]);
});

describe("streams of 2026-07-28", () => {
  const listen = (uri = URI): Promise<IncomingMessage> =>
    send(modern("subscriptions/listen", { notifications: { resourceSubscriptions: [uri] } }));

  test("tell of an update once, however many wait for it", async () => {
    const texts = await Promise.all([listen(), listen(), listen()]).then((answers) => answers.map(heard));
    await vi.waitFor(() => expect(watchers).toHaveLength(3));
    const updates = () => texts.map((text) => text().split("notifications/resources/updated").length - 1);
    for (const watcher of watchers) watcher.onUpdated(URI);
    await vi.waitFor(() => expect(updates()).toEqual([1, 1, 1]));
    for (const watcher of watchers) watcher.onUpdated(URI);
    await vi.waitFor(() => expect(updates()).toEqual([2, 2, 2]));
  });

  test("are recorded: what was asked for, and what is told", async () => {
    const answer = await listen();
    const text = heard(answer);
    await vi.waitFor(() => expect(watchers).toHaveLength(1));
    watchers[0]?.onUpdated(URI);
    await vi.waitFor(() => expect(text()).toContain("resources/updated"));
    expect(frames.map(({ direction, kind, method }) => [direction, kind, method])).toEqual([
      ["in", "request", "subscriptions/listen"],
      ["out", "notification", "notifications/subscriptions/acknowledged"],
      ["out", "notification", "notifications/resources/updated"],
    ]);
  });

  test("are as many for one caller as sessions are", async () => {
    const most = LIMITS.mcpSessionsPerCaller;
    const opened = await Promise.all(Array.from({ length: most }, () => listen()));
    expect(new Set(opened.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    expect(await textOf(await listen())).toContain(`At most ${most} streams`);
    opened[0]?.destroy();
    await vi.waitFor(async () => expect((await listen()).statusCode).toBe(200));
  });
});

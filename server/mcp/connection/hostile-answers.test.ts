import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import { afterEach, describe, expect, test, vi } from "vitest";
import { TIMINGS } from "../supervision/timings.ts";
import { handshake, newClient, speak } from "./connection.ts";
import type { Ask } from "./open-call.ts";
import type { Answering } from "./server-requests.ts";
import { MOST_LISTED, MOST_PAGES } from "./requests.ts";
import { WATCHED_RESOURCES } from "./watched-resources.ts";

type Asked = { id?: string | number; method: string; params?: Record<string, unknown> };
/** What a server that was made up answers; undefined is silence. */
type Answer = (asked: Asked, send: (message: object) => void) => object | undefined;

const CAPABILITIES = { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {} };
const options = { timeoutMs: 5_000 };
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((client) => client.close()));
});

type Change = Partial<Answering> & { capabilities?: object; listMs?: number };

/** A conversation with a server that does whatever a test wants; `heard` is all that was sent to it. */
async function talk(era: "legacy" | "modern", answer: Answer, { capabilities = {}, listMs = TIMINGS.listMs, ...change }: Change = {}) {
  const heard: Asked[] = [];
  const transport: Transport = {
    start: () => Promise.resolve(),
    close: () => Promise.resolve(transport.onclose?.()),
    send: (message) => {
      const asked: Asked = JSON.parse(JSON.stringify(message));
      heard.push(asked);
      const send = (sent: object): void => void setImmediate(() => transport.onmessage?.({ jsonrpc: "2.0", ...sent } as JSONRPCMessage));
      if (asked.id === undefined || asked.method === undefined) return Promise.resolve();
      const result = greet(era, asked, { ...CAPABILITIES, ...capabilities }) ?? answer(asked, send);
      if (result !== undefined) send("code" in result ? { id: asked.id, error: result } : { id: asked.id, result });
      return Promise.resolve();
    },
  };
  const told: string[] = [];
  const answering = {
    settings: () => ({}),
    sample: () => Promise.reject(new Error("nobody is asked")),
    log: (_level: string, text: string) => told.push(text),
    drop: () => {},
    note: (text: string) => told.push(text),
    own: undefined,
    ...change,
  };
  const timings = { ...TIMINGS, reconnectFloorMs: 5, listMs };
  const client = newClient({
    version: "1",
    timings,
    era: era === "legacy" ? "legacy" : "auto",
    onToolsChanged: () => {},
    answering,
  });
  opened.push(client);
  await handshake(client, transport, { timeoutMs: 5_000, signal: new AbortController().signal });
  return { server: speak(client, timings), heard, told, transport };
}

function greet(era: "legacy" | "modern", { method }: Asked, capabilities: object): object | undefined {
  const serverInfo = { name: "made-up", version: "1" };
  if (method === "initialize") return { protocolVersion: "2025-11-25", capabilities, serverInfo };
  if (method !== "server/discover") return undefined;
  if (era === "legacy") return { code: -32601, message: "Method not found" };
  return { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities, ttlMs: 0, cacheScope: "private" };
}

describe("lists that do not end", () => {
  const page = (first: number, count: number) => Array.from({ length: count }, (_, i) => ({ uri: `x://${first + i}`, name: "x" }));
  test.each([
    ["a page after every page", (n: number) => ({ resources: page(n, 1), nextCursor: `page ${n}` }), MOST_PAGES],
    ["one cursor again and again", (n: number) => ({ resources: page(n, 1), nextCursor: "again" }), 2],
    ["two cursors in turn", (n: number) => ({ resources: page(n, 1), nextCursor: n % 2 === 0 ? "a" : "b" }), 3],
    ["entries without number", (n: number) => ({ resources: page(n, MOST_LISTED / 2), nextCursor: `page ${n}` }), 3],
  ])("%s", async (_name, answer, asked) => {
    let pages = 0;
    const { server } = await talk("legacy", () => answer((pages += 1)));
    await expect(server.listResources(options)).rejects.toMatchObject({ code: "mcp_protocol_error" });
    expect(pages).toBe(asked);
  });

  test("tools on pages of which each one takes its time", async () => {
    let pages = 0;
    const slow: Answer = ({ id }, send) => {
      pages += 1;
      setTimeout(send, 60, { id, result: { tools: [], nextCursor: `page ${pages}` } });
      return undefined;
    };
    const { server } = await talk("legacy", slow, { listMs: 200 });
    await expect(server.listTools(new AbortController().signal)).rejects.toMatchObject({ code: "REQUEST_TIMEOUT" });
    expect(pages).toBeLessThan(MOST_PAGES);
  });
});

describe("a call", () => {
  const call = { name: "slow", arguments: {} };
  const ofCall = ({ method }: Asked): boolean => method === "tools/call";

  test("that tells of progress for ever ends; its late result is dropped, and the server is told (M-08)", async () => {
    const { server, heard, transport } = await talk("legacy", (asked, send) => {
      const progressToken = Object(asked.params?.["_meta"])["progressToken"];
      if (ofCall(asked))
        for (let i = 1; i < 50; i += 1)
          setTimeout(send, i * 10, { method: "notifications/progress", params: { progressToken, progress: i } });
      return undefined;
    });
    const told: number[] = [];
    await expect(
      server.callTool({ ...call, timeoutMs: 400, idleMs: 1_000, onProgress: ({ progress }) => told.push(progress) }),
    ).rejects.toMatchObject({
      code: "REQUEST_TIMEOUT",
    });
    expect(told.length).toBeGreaterThan(5);
    const { id } = heard.find(ofCall) ?? {};
    expect(heard.at(-1)).toMatchObject({ method: "notifications/cancelled", params: { requestId: id } });
    const before = told.length;
    transport.onmessage?.({ jsonrpc: "2.0", id: id ?? 0, result: { content: [] } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toHaveLength(before);
  });

  test("hears no progress but its own (M-14)", async () => {
    const { server } = await talk("legacy", (asked, send) => {
      if (!ofCall(asked)) return undefined;
      const { progressToken } = Object(asked.params?.["_meta"]);
      for (const token of [0, 1, 2, 99, Number(progressToken), "x", progressToken])
        send({ method: "notifications/progress", params: { progressToken: token, progress: 1 } });
      return { content: [] };
    });
    const told: number[] = [];
    await server.callTool({ ...call, ...options, onProgress: ({ progress }) => told.push(progress) });
    expect(told).toEqual([1]);
  });

  test.each([
    ["asks for input again and again", { inputRequests: {}, requestState: "again" }, /after 10 rounds/],
    ["gives too much to keep", { inputRequests: {}, requestState: "a".repeat(64 * 1024 + 1) }, /65536 characters/],
    ["asks in a way of its own", { inputRequests: { a: { method: "tools/list", params: {} } } }, /not in the protocol/],
  ])("whose server %s fails", async (_name, wanted, message) => {
    const { server } = await talk("modern", (asked) => (ofCall(asked) ? { resultType: "input_required", ...wanted } : undefined));
    await expect(server.callTool({ ...call, ...options })).rejects.toThrow(message);
  });

  test("keeps what the server wants to have back as it is, byte for byte, and nobody's prototype", async () => {
    const requestState = '{"a":1 , "b":"\\u00e9"}==';
    const form = {
      method: "elicitation/create",
      params: { mode: "form", message: "?", requestedSchema: { type: "object", properties: {} } },
    };
    const inputRequests = JSON.parse(`{"__proto__": ${JSON.stringify(form)}}`);
    const { server, heard } = await talk("modern", (asked) => {
      if (!ofCall(asked)) return undefined;
      const isAgain = asked.params?.["requestState"] !== undefined;
      return isAgain ? { resultType: "complete", content: [] } : { resultType: "input_required", inputRequests, requestState };
    });
    await server.callTool({ ...call, ...options });
    const again = heard.filter(ofCall)[1]?.params;
    expect(again?.["requestState"]).toBe(requestState);
    expect(Object.keys(Object(again?.["inputResponses"]))).toEqual(["__proto__"]);
  });
});

describe("requests of a server", () => {
  test.each(["sampling/createMessage", "roots/list", "tools/list", "made/up"])(
    "%s is not known here unless it is allowed",
    async (method) => {
      const { heard, transport } = await talk("legacy", () => undefined);
      transport.onmessage?.({ jsonrpc: "2.0", id: "s1", method, params: { messages: [], maxTokens: 1 } });
      await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ id: "s1", error: { code: -32601 } }));
    },
  );

  test("a question without any call is refused", async () => {
    const { heard, told, transport } = await talk("legacy", () => undefined);
    const params = { message: "?", requestedSchema: { type: "object", properties: {} } };
    transport.onmessage?.({ jsonrpc: "2.0", id: "s1", method: "elicitation/create", params });
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ id: "s1", error: { code: -1 } }));
    expect(told).toHaveLength(1);
  });

  test("a question that comes soon after its call was given up is nobody else's", async () => {
    const { server, heard, transport } = await talk("legacy", () => undefined);
    const asked: unknown[] = [];
    await expect(server.callTool({ name: "a", arguments: {}, timeoutMs: 20 })).rejects.toThrow();
    const ask = async (question: object) => {
      asked.push(question);
      return {};
    };
    const second = server.callTool({ name: "b", arguments: {}, timeoutMs: 200, ask });
    second.catch(() => {});
    const params = { message: "?", requestedSchema: { type: "object", properties: {} } };
    transport.onmessage?.({ jsonrpc: "2.0", id: "s1", method: "elicitation/create", params });
    await vi.waitFor(() => expect(heard.find(({ id }) => id === "s1")).toMatchObject({ error: { code: -1 } }));
    expect(asked).toEqual([]);
    await expect(second).rejects.toThrow();
  });
});

describe("what a server has asked in the middle of a call", () => {
  const params = { message: "?", requestedSchema: { type: "object", properties: {} } };
  const question = { id: "s1", method: "elicitation/create", params };
  const withdrawal = { method: "notifications/cancelled", params: { requestId: "s1", reason: "never mind" } };
  /** Answers when it is given up, with why. */
  const waits = () => {
    const given: unknown[] = [];
    const ask = (_asked: unknown, signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => (given.push(signal.reason), reject(new Error("given up")))));
    return { given, ask };
  };

  test("it can take back: nobody is asked any more, and the call's time goes on", async () => {
    const { given, ask } = waits();
    const { server } = await talk("legacy", (_asked, send) => {
      send(question);
      setTimeout(send, 20, withdrawal);
      return undefined;
    });
    await expect(server.callTool({ name: "a", arguments: {}, timeoutMs: 200, ask })).rejects.toMatchObject({ code: "REQUEST_TIMEOUT" });
    expect(given).toEqual(["never mind"]);
  });

  test.each(["is given up", "is answered"])("ends when the call %s, a model's answer too", async (how) => {
    const { given, ask } = waits();
    const sample: Answering["sample"] = ({ signal }) => ask(undefined, signal);
    const settings = () => ({ sampling: { model: "m", maxTokens: 10, perMinute: 1 } });
    const leave = new AbortController();
    const { server } = await talk(
      "legacy",
      (asked, send) => {
        send({ id: "s1", method: "sampling/createMessage", params: { messages: [], maxTokens: 1 } });
        if (how === "is answered") setTimeout(send, 20, { id: asked.id, result: { content: [] } });
        else setTimeout(() => leave.abort("gone"), 20);
        return undefined;
      },
      { settings, sample },
    );
    await server.callTool({ name: "a", arguments: {}, ...options, signal: leave.signal }).catch(() => {});
    await vi.waitFor(() => expect(given).toHaveLength(1));
  });

  test("after the call was given up nobody is asked", async () => {
    const { server, heard, transport } = await talk("legacy", () => undefined);
    const ask = vi.fn<Ask>(async () => ({}));
    await expect(server.callTool({ name: "a", arguments: {}, timeoutMs: 20, ask })).rejects.toThrow();
    transport.onmessage?.({ jsonrpc: "2.0", ...question });
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ id: "s1", error: { code: -1 } }));
    expect(ask).not.toHaveBeenCalled();
  });
});

test("the stream that tells of changed lists is opened again when it has ended, and what was missed counts as changed", async () => {
  const acknowledge = ({ id }: Asked): object => ({
    method: "notifications/subscriptions/acknowledged",
    params: { _meta: { "io.modelcontextprotocol/subscriptionId": id }, notifications: { toolsListChanged: true } },
  });
  const listens: Asked[] = [];
  const { server, transport } = await talk(
    "modern",
    (asked, send) => {
      if (asked.method !== "subscriptions/listen") return undefined;
      listens.push(asked);
      send(acknowledge(asked));
      return undefined;
    },
    { capabilities: { tools: { listChanged: true } } },
  );
  const changed: string[] = [];
  server.onListChanged((list) => changed.push(list));
  expect(listens).toHaveLength(1);
  transport.onmessage?.({ jsonrpc: "2.0", id: listens[0]?.id ?? "", result: { resultType: "complete" } });
  await vi.waitFor(() => expect([listens.length, changed]).toEqual([2, ["tools"]]));
});

test("whoever watches a resource hears that the connection has ended, also when we have ended it", async () => {
  const { server, transport } = await talk("legacy", () => ({}));
  const ended = vi.fn<() => void>();
  await server.watchResource("x://0", { onUpdated: () => {}, onEnded: ended }, options);
  await transport.close();
  await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(1));
});

test("of one server so many resources are watched, and no more", async () => {
  const { server } = await talk("legacy", () => ({}));
  const watcher = { onUpdated: () => {}, onEnded: () => {} };
  for (let i = 0; i < WATCHED_RESOURCES; i += 1) await server.watchResource(`x://${i}`, watcher, options);
  await expect(server.watchResource("x://more", watcher, options)).rejects.toMatchObject({ code: "rate_limited" });
  await server.watchResource("x://0", watcher, options);
});

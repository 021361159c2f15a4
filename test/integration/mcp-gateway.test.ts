import { fileURLToPath } from "node:url";
import type { Client, ClientOptions } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { ERAS, gatewayClient, raw, rawSession, rpc, type Era, type Target } from "#test/support/mcp/gateway.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../support/mcp/${name}.ts`, import.meta.url));
const everything = fileURLToPath(new URL("../../node_modules/@modelcontextprotocol/server-everything/dist/index.js", import.meta.url));

let platform: StartedPlatform;
let ids: Record<string, string>;
const clients: Client[] = [];

const target = (path = "/mcp"): Target => ({ url: `${platform.url}${path}`, token: platform.token });
async function connect(path: string, era: Era, options?: ClientOptions & { prepare?: (client: Client) => void }): Promise<Client> {
  const client = await gatewayClient(target(path), era, options);
  clients.push(client);
  return client;
}

beforeAll(async () => {
  platform = await startedPlatform();
  const node = (...args: string[]) => ({ transport: "stdio" as const, command: process.execPath, args });
  const launches = {
    everything: node(everything),
    talk: node(fixture("talkative-server")),
    a__b: node(fixture("hostile-server"), "poisoned"),
    c__d: node(fixture("hostile-server"), "poisoned"),
  };
  const created = Object.entries(launches).map(async ([name, launch]) => [
    name,
    (await platform.client.createMcpServer({ body: { name, launch } })).id,
  ]);
  ids = Object.fromEntries(await Promise.all(created));
});
afterAll(async () => {
  await Promise.allSettled(clients.map((client) => client.close()));
  await platform.close();
});

const names = async (client: Client): Promise<string[]> =>
  (await client.listTools(undefined, { cacheMode: "refresh" })).tools.map(({ name }) => name);
const textOf = async (call: ReturnType<Client["callTool"]>): Promise<string> => {
  const [first] = (await call).content;
  return first?.type === "text" ? first.text : "";
};

/** A server of its own for each era, as tests end and change it. */
const OWN = { "2025-11-25": { name: "a__b", prefix: "aZZb" }, "2026-07-28": { name: "c__d", prefix: "cZZd" } } as const;

describe.each(ERAS)("a client of %s", (era) => {
  const own = (tool: string): string => `${OWN[era].prefix}__${tool}`;
  test("finds the approved tools of all servers at one address, under names that tell the servers apart, and calls them", async () => {
    const client = await connect("/mcp", era);
    expect(client.getNegotiatedProtocolVersion()).toBe(era);
    const listed = await names(client);
    expect(listed).toEqual(expect.arrayContaining(["everything__echo", "talk__count", own("add")]));
    expect(listed).toEqual(listed.toSorted());
    expect(await textOf(client.callTool({ name: "everything__echo", arguments: { message: "hello" } }))).toBe("Echo: hello");
    expect(await textOf(client.callTool({ name: own("add"), arguments: { a: 2, b: 3 } }))).toBe("5");
  });

  test("finds one server as it is at its own address", async () => {
    const client = await connect("/mcp/servers/talk", era);
    expect(client.getServerVersion()).toMatchObject({ name: "talkative", version: "3.0.0" });
    expect(await names(client)).toEqual(expect.arrayContaining(["count", "introduce"]));
    expect(await textOf(client.callTool({ name: "count", arguments: { steps: 1, everyMs: 1 } }))).toBe("counted to 1");
  });

  test("hears how far a call is", async () => {
    const client = await connect("/mcp", era);
    const steps: number[] = [];
    const onprogress = ({ progress }: { progress: number }): void => void steps.push(progress);
    await client.callTool({ name: "talk__count", arguments: { steps: 3, everyMs: 5 } }, { onprogress });
    expect(steps).toEqual([1, 2, 3]);
  });

  test("hears what a server says during a call, from the level on that it asks for", async () => {
    const client = await connect("/mcp", era);
    const heard: unknown[] = [];
    client.setNotificationHandler("notifications/message", ({ params }) => void heard.push(params));
    const levelled = (level: "warning" | "error") =>
      era === "2025-11-25" ? client.setLoggingLevel(level).then(() => ({})) : { _meta: { "io.modelcontextprotocol/logLevel": level } };
    const log = async (level: "warning" | "error") =>
      textOf(client.callTool({ name: "talk__log", arguments: { lines: 2 }, ...(await levelled(level)) }));
    expect(await log("error")).toBe("logged");
    expect(heard).toEqual([]);
    expect(await log("warning")).toBe("logged");
    expect(heard).toMatchObject([
      { level: "warning", logger: "talk", data: "line 0" },
      { level: "warning", logger: "talk", data: "line 1" },
    ]);
    if (era === "2025-11-25")
      await expect(client.request({ method: "logging/setLevel", params: { level: "loud" } })).rejects.toThrow(/debug, info/);
  });

  test("reads resources under addresses that lead back to their server, and gets prompts and suggestions", async () => {
    const client = await connect("/mcp", era);
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toContain("auterity:talk/notes://today");
    const { contents } = await client.readResource({ uri: "auterity:talk/notes://of/anna" });
    expect(contents).toMatchObject([{ uri: "auterity:talk/notes://of/anna", text: "note of anna" }]);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toContain("auterity:talk/notes://of/{who}");
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toContain("talk__greet");
    const { messages } = await client.getPrompt({ name: "talk__greet", arguments: { who: "Ada" } });
    expect(messages).toMatchObject([{ content: { text: "Greet Ada" } }]);
    const ref = { type: "ref/resource", uri: "auterity:talk/notes://of/{who}" } as const;
    const { completion } = await client.complete({ ref, argument: { name: "who", value: "b" } });
    expect(completion.values).toEqual(["bert"]);
  });

  test("is asked what a server wants to know, unless nobody should be", async () => {
    const prepare = (client: Client): void =>
      client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name: "Ada", age: 36 } }));
    const client = await connect("/mcp", era, { capabilities: { elicitation: { form: {} } }, prepare });
    expect(await textOf(client.callTool({ name: "talk__introduce", arguments: {} }))).toBe("You are Ada, 36.");
    await expect(client.callTool({ name: "talk__login", arguments: {} })).rejects.toThrow(/asks for a secret/);
  });

  test("that cannot be asked is told so by an error, and the server goes on", async () => {
    const client = await connect("/mcp", era);
    await expect(client.callTool({ name: "talk__introduce", arguments: {} })).rejects.toThrow();
    expect(await textOf(client.callTool({ name: "talk__count", arguments: { steps: 1, everyMs: 1 } }))).toBe("counted to 1");
  });

  test.each([
    ["that does not exist", "talk__nothing"],
    ["of a server that does not exist", "nobody__echo"],
    ["in another case", "talk__Count"],
    ["that waits for approval", own("poison")],
    ["under its own name only", "count"],
    ["named like a member of every object", "__proto__"],
  ])("gets the same answer for a tool %s", async (_, name) => {
    const client = await connect("/mcp", era);
    expect(await names(client)).not.toContain(name);
    await expect(client.callTool({ name, arguments: {} })).rejects.toMatchObject({ code: -32_602, message: `Unknown tool: ${name}` });
  });

  test("is told by the result which arguments do not fit", async () => {
    const client = await connect("/mcp", era);
    const result = await client.callTool({ name: own("add"), arguments: { a: "two", c: 1 } });
    expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("arguments") }] });
  });

  test("cancels at the server what it cancels, and may go on", async () => {
    const client = await connect("/mcp", era);
    const before = await cancelled(OWN[era].name);
    await expect(client.callTool({ name: own("hang"), arguments: {} }, { signal: AbortSignal.timeout(150) })).rejects.toThrow();
    await vi.waitFor(async () => expect(await cancelled(OWN[era].name)).toBe(before + 1), { timeout: 5_000 });
    expect(await textOf(client.callTool({ name: own("add"), arguments: { a: 1, b: 1 } }))).toBe("2");
  });

  test("still finds the tools of a server that restarts", async () => {
    const client = await connect("/mcp", era);
    await expect(client.callTool({ name: own("crash"), arguments: {} })).rejects.toThrow();
    expect(await names(client)).toContain(own("add"));
    expect(await textOf(client.callTool({ name: own("add"), arguments: { a: 4, b: 4 } }))).toBe("8");
  });

  test("hears that a tool has changed, does not find it any more, and finds it again when it is approved", async () => {
    const onChanged = vi.fn<() => void>();
    const client = await connect("/mcp", era, { listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged } } });
    await client.callTool({ name: own("change"), arguments: { to: `Adds. ${era}` } });
    await vi.waitFor(async () => expect(await names(client)).not.toContain(own("add")), { timeout: 5_000 });
    await vi.waitFor(() => expect(onChanged).toHaveBeenCalled(), { timeout: 5_000 });
    const add = await vi.waitFor(async () => {
      const { items } = await platform.client.listServerTools({ params: { id: ids[OWN[era].name] ?? "" } });
      const changed = items.find(({ name, approval }) => name === "add" && approval === "changed");
      expect(changed).toBeDefined();
      return changed;
    });
    await platform.client.approveTool({ params: { id: add?.id ?? "" }, body: { hash: add?.hash ?? "", effect: "none" } });
    expect(await names(client)).toContain(own("add"));
  });
});

async function cancelled(server: string): Promise<number> {
  const { items } = await platform.client.listServerLogs({ params: { id: ids[server] ?? "" }, query: { limit: 200 } });
  return items.filter(({ text }) => text === "cancelled").length;
}

describe("the gateway", () => {
  test("cancels the call of a client that goes away, and the audit trail says why", async () => {
    const session = await rawSession(target());
    const before = await cancelled("a__b");
    const gone = new AbortController();
    const body = rpc({ id: 9, method: "tools/call", params: { name: "aZZb__hang", arguments: {} } });
    const headers = {
      ...session,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${platform.token}`,
    };
    const waiting = fetch(target().url, { method: "POST", headers, body, signal: gone.signal }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 150));
    gone.abort();
    await waiting;
    await vi.waitFor(async () => expect(await cancelled("a__b")).toBe(before + 1), { timeout: 5_000 });
    await vi.waitFor(async () => {
      const { items } = await platform.client.listAudit({ query: { limit: 50 } });
      expect(items).toContainEqual(expect.objectContaining({ action: "mcp_tool.call_left", reason: "client_disconnected" }));
    });
  });

  test("answers each of two clients that use the same ids, and no other", async () => {
    const [one, two] = [await rawSession(target()), await rawSession(target())];
    const ask = async (session: Record<string, string>, id: number, message: string): Promise<string> => {
      const body = rpc({ id, method: "tools/call", params: { name: "everything__echo", arguments: { message } } });
      return (await raw(target(), { headers: session, body })).text;
    };
    const both = Array.from({ length: 200 }, (_, id) => Promise.all([ask(one, id, `one ${id}`), ask(two, id, `two ${id}`)]));
    const answers = await Promise.all(both);
    answers.forEach(([first, second], id) => {
      expect(JSON.parse(first ?? "")).toMatchObject({ id, result: { content: [{ text: `Echo: one ${id}` }] } });
      expect(JSON.parse(second ?? "")).toMatchObject({ id, result: { content: [{ text: `Echo: two ${id}` }] } });
    });
  });

  test("M-28: heeds no cancellation of what is over, of what is cancelled already, or of somebody else's request", async () => {
    const [mine, theirs] = [await rawSession(target()), await rawSession(target())];
    const call = (session: Record<string, string>, id: number, tool: string, args: object = {}) =>
      raw(target(), { headers: session, body: rpc({ id, method: "tools/call", params: { name: tool, arguments: args } }) });
    const cancel = async (session: Record<string, string>, requestId: number): Promise<number> =>
      (await raw(target(), { headers: session, body: rpc({ method: "notifications/cancelled", params: { requestId } }) })).status;
    const sum = async (session: Record<string, string>, id: number): Promise<unknown> =>
      JSON.parse((await call(session, id, "aZZb__add", { a: 1, b: 1 })).text);
    const answer = { result: { content: [{ text: "2" }] } };
    const before = await cancelled("a__b");
    expect(await sum(mine, 3)).toMatchObject(answer);
    expect(await cancel(mine, 3)).toBe(202);
    const hanging = call(theirs, 4, "aZZb__hang").catch(() => undefined);
    const calls = () => platform.client.getServerCalls({ params: { id: ids["a__b"] ?? "" } });
    const running = async (): Promise<number | undefined> => (await calls()).tools.find(({ name }) => name === "hang")?.running;
    await vi.waitFor(async () => expect(await running()).toBe(1), { timeout: 5_000 });
    expect(await cancel(mine, 4)).toBe(202);
    expect(await sum(mine, 5)).toMatchObject(answer);
    expect([await running(), await cancelled("a__b")]).toEqual([1, before]);
    expect([await cancel(theirs, 4), await cancel(theirs, 4)]).toEqual([202, 202]);
    await hanging;
    await vi.waitFor(async () => expect(await cancelled("a__b")).toBe(before + 1), { timeout: 5_000 });
    expect(await sum(theirs, 4)).toMatchObject(answer);
    expect([await running(), await cancelled("a__b")]).toEqual([0, before + 1]);
  });

  test("asks a client that listens to nothing else on the answer to its own request", async () => {
    const session = await rawSession(target(), { elicitation: { form: {} } });
    const headers = {
      ...session,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${platform.token}`,
    };
    const post = (message: object): Promise<Response> => fetch(target().url, { method: "POST", headers, body: rpc(message) });
    const call = { id: 5, method: "tools/call", params: { name: "everything__trigger-elicitation-request", arguments: {} } };
    let told = "";
    const { body } = await post(call);
    for await (const chunk of body ?? []) {
      told += Buffer.from(chunk).toString();
      const [, id] = /"method":"elicitation\/create".*"id":("[^"]*"|\d+)/.exec(told) ?? [];
      if (id === undefined || told.includes('"id":5')) continue;
      await post({ id: JSON.parse(id), result: { action: "decline" } });
    }
    expect(told).toMatch(/"method":"elicitation\/create"[^]*"result":.*declin/i);
  });

  test("mcpSubscriptions: a client is told of as many resources; one more is refused, and the others stay", async () => {
    const updated: string[] = [];
    const prepare = (client: Client): void =>
      client.setNotificationHandler("notifications/resources/updated", ({ params }) => void updated.push(params.uri));
    const client = await connect("/mcp", "2025-11-25", { prepare });
    const uris = ["today", ...Array.from({ length: LIMITS.mcpSubscriptions }, (_, i) => `of/${i}`)].map(
      (own) => `auterity:talk/notes://${own}`,
    );
    const [beyond = ""] = uris.splice(-1);
    for (const uri of uris) await client.subscribeResource({ uri });
    await expect(client.subscribeResource({ uri: beyond })).rejects.toMatchObject({ data: { code: "rate_limited" } });
    await client.subscribeResource({ uri: uris[0] ?? "" });
    await client.callTool({ name: "talk__write", arguments: { note: "rain" } });
    await vi.waitFor(() => expect(updated).toContain(uris[0]), { timeout: 5_000 });
    await client.unsubscribeResource({ uri: uris[1] ?? "" });
    await client.subscribeResource({ uri: beyond });
    await expect(client.subscribeResource({ uri: uris[1] ?? "" })).rejects.toMatchObject({ data: { code: "rate_limited" } });
  });

  test("mcpSubscriptions: a stream of the 2026 era is opened for as many resources, and refused for one more", async () => {
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const listen = async (count: number): Promise<[status: number, text: string]> => {
      const resourceSubscriptions = Array.from({ length: count }, (_, i) => `auterity:talk/notes://of/${i}`);
      const gone = new AbortController();
      const headers = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "subscriptions/listen",
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${platform.token}`,
      };
      const body = rpc({ id: 1, method: "subscriptions/listen", params: { notifications: { resourceSubscriptions }, _meta } });
      const { status, body: stream } = await fetch(target().url, { method: "POST", headers, body, signal: gone.signal });
      const first = await stream?.getReader().read();
      gone.abort();
      return [status, Buffer.from(first?.value ?? []).toString()];
    };
    expect(await listen(LIMITS.mcpSubscriptions)).toEqual([200, expect.stringContaining("notes://of/99")]);
    const [status, refusal] = await listen(LIMITS.mcpSubscriptions + 1);
    expect([status, JSON.parse(refusal)]).toMatchObject([
      400,
      { id: 1, error: { code: -32_600, message: expect.stringContaining("100") } },
    ]);
  });

  test("leaves a record of what crosses it, under the name of who asked", async () => {
    const session = await rawSession(target());
    await raw(target(), { headers: session, body: rpc({ id: 77, method: "tools/list", params: {} }) });
    const sql = await platform.sql();
    await vi.waitFor(async () => {
      const { rows } = await sql.query("select kind from protocol_frames where correlation_id = $1 order by kind", [
        `${session["mcp-session-id"]}:sn77`,
      ]);
      expect(rows.map(({ kind }: { kind: string }) => kind)).toEqual(["request", "response"]);
    });
  });
});

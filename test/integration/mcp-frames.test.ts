import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { McpServer } from "#contract/mcp/servers.ts";
import type { Message } from "#contract/messages.ts";
import type { Role } from "#contract/permissions.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { runCli } from "#test/support/cli.ts";
import { eventually } from "#test/support/eventually.ts";
import { hostile, published } from "#test/support/mcp/platform.ts";
import { addMember, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let client: Client;
let server: McpServer;
let other: McpServer;
const SECRET = "sk-frames-0123456789";

beforeAll(async () => {
  platform = await startedPlatform();
  client = platform.client;
  await client.putSecret({ params: { name: "token" }, body: { value: SECRET } });
  const launch = { ...hostile(), env: { TOKEN: "secret:token" } };
  server = await client.createMcpServer({ body: { name: "framed", launch } });
  other = await client.createMcpServer({ body: { name: "beside", launch: hostile() } });
});
afterAll(() => platform.close());

async function call(name: string, args: Record<string, string | number> = {}, of: McpServer = server) {
  const { items } = await client.listServerTools({ params: { id: of.id } });
  const tool = items.find((candidate) => candidate.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  return client.callTool({ params: { id: tool.id }, body: { arguments: args, timeoutMs: 5_000 } });
}
type Query = Parameters<Client["listServerFrames"]>[0]["query"];
const frames = async (query: Query, of: McpServer = server): Promise<Message[]> =>
  (await client.listServerFrames({ params: { id: of.id }, query: { limit: 200, ...query } })).items;
/** Frames are stored a moment after they were recorded. */
const stored = (query: Query, count: number): Promise<Message[]> =>
  eventually(
    () => frames(query),
    (found) => found.length >= count,
  );
const ofCall = (items: readonly Message[], kind: Message["kind"]): Message => {
  const found = items.find((frame) => frame.kind === kind);
  if (!found) throw new Error(`no ${kind} among ${items.length} frames`);
  return found;
};

describe("the frames of a server", () => {
  test("say what went and what came: server, connection, tool, bytes, latency and failure", async () => {
    await call("add", { a: 1, b: 2 });
    await call("fail");
    await expect(call("refuse")).rejects.toMatchObject({ code: "mcp_protocol_error" });
    const [answer, request] = await stored({ tool: "add" }, 2);
    expect(request).toMatchObject({
      direction: "out",
      kind: "request",
      method: "tools/call",
      errorCode: null,
      transport: "stdio",
      era: "legacy",
    });
    expect(answer).toMatchObject({
      direction: "in",
      kind: "response",
      method: "tools/call",
      serverId: server.id,
      latencyMs: expect.any(Number),
    });
    expect(answer?.connectionId).toBe(request?.connectionId);
    expect(request?.sizeBytes).toBe(JSON.stringify(request?.content).length);
    const failures = await stored({ errors: "true", method: "tools/call" }, 2);
    expect(failures.map(({ tool, errorCode }) => [tool, errorCode])).toEqual([
      ["refuse", "-32602"],
      ["fail", "tool_error"],
    ]);
  });

  test.each<[string, Query, (frame: Message) => boolean]>([
    ["direction", { direction: "in" }, ({ direction }) => direction === "in"],
    ["kind", { kind: "request" }, ({ kind }) => kind === "request"],
    ["method", { method: "tools/list" }, ({ method }) => method === "tools/list"],
    ["latency", { minLatencyMs: 0.001 }, ({ latencyMs }) => latencyMs !== null],
    ["text", { q: "NO SUCH customer" }, ({ content }) => JSON.stringify(content).includes("no such customer")],
    ["time", { until: "2999-01-01T00:00:00Z" }, () => true],
  ])("are filtered by %s", async (_what, query, fits) => {
    await call("fail");
    const found = await stored(query, 1);
    expect(found.filter((frame) => !fits(frame))).toEqual([]);
    expect(await frames({ ...query, since: "2999-01-01T00:00:00Z" })).toEqual([]);
  });

  test("are only its own, also among all messages", async () => {
    await call("add", { a: 5, b: 6 }, other);
    const mine = await stored({}, 1);
    expect(new Set(mine.map(({ serverId }) => serverId))).toEqual(new Set([server.id]));
    await eventually(
      () => client.listMessages({ query: { server: other.id, tool: "add" } }),
      ({ items }) => items.length === 2,
    );
    const unknown = { id: "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234" };
    await expect(client.listServerFrames({ params: unknown })).rejects.toMatchObject({ code: "not_found" });
    await expect(client.exportServerFrames({ params: unknown })).rejects.toMatchObject({ code: "not_found" });
    await expect(client.getFrame({ params: unknown })).rejects.toMatchObject({ code: "not_found" });
  });

  test("come with the other half of their exchange", async () => {
    await call("add", { a: 21, b: 21 });
    const found = await stored({ q: '"text":"42"' }, 1);
    const answer = ofCall(found, "response");
    const { frame, others } = await client.getFrame({ params: { id: answer.id } });
    expect(frame.id).toBe(answer.id);
    expect(others).toMatchObject([{ kind: "request", correlationId: answer.correlationId }]);
  });

  test("are exported one per line, as many as there are", async () => {
    for (let i = 0; i < 300; i += 1) await call("add", { a: i, b: 0 });
    await stored({ q: '"text":"299"' }, 1);
    const listed = await frames({ tool: "add" });
    const lines = (await client.exportServerFrames({ params: { id: server.id }, query: { tool: "add" } })).trimEnd().split("\n");
    expect(lines.length).toBeGreaterThanOrEqual(600);
    const exported = lines.map((line): unknown => JSON.parse(line));
    expect(exported.slice(0, 200)).toEqual(listed);
  });

  test("are followed as they come, and after the one that was seen last", async () => {
    const stop = new AbortController();
    const seen: Message[] = [];
    const following = (async () => {
      for await (const one of client.followServerFrames(server.id, { query: { tool: "meta" }, signal: stop.signal })) {
        if (one.kind === "frame") seen.push(one.message);
      }
    })();
    await eventually(
      () => call("meta"),
      () => seen.length >= 4,
    );
    stop.abort();
    await following;
    const oldestFirst = (await frames({ tool: "meta" })).toReversed().map(({ id }) => id);
    const ids = seen.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const begin = oldestFirst.indexOf(ids[0] ?? "");
    expect(ids).toEqual(oldestFirst.slice(begin, begin + ids.length));
    const cursor = Buffer.from(JSON.stringify([seen[1]?.at, seen[1]?.id])).toString("base64url");
    const response = await fetch(`${platform.url}/api/v1/mcp-servers/${server.id}/frames/stream?tool=meta`, {
      headers: { authorization: `Bearer ${platform.token}`, "last-event-id": cursor },
      signal: AbortSignal.timeout(1_000),
    });
    const text = await readUntil(response, ids[3] ?? "");
    expect(text).not.toContain(ids[1]);
    expect(text).toContain(ids[2]);
  });
});

test("the CLI shows frames, those of failures, and sends one again", async () => {
  await call("fail");
  const [failure] = await stored({ errors: "true", tool: "fail" }, 1);
  const at = ["--url", platform.url, "--token", platform.token];
  const listed = await runCli(["mcp", "frames", "framed", "--errors", "--tool", "fail", "-o", "json", ...at]);
  expect(JSON.parse(listed.stdout)).toContainEqual(failure);
  expect((await runCli(["mcp", "frames", "framed", ...at])).stdout).toContain("tools/call");
  const [request] = await stored({ kind: "request", tool: "fail" }, 1);
  expect((await runCli(["mcp", "replay", request?.id ?? "", "-o", "json", ...at])).stdout).toContain("no such customer");
  expect(await runCli(["mcp", "frames", "nobody", ...at])).toMatchObject({ code: 1 });
});

async function readUntil(response: Response, end: string): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes(end)) return text;
  }
  return text;
}

describe("every other request that is safe to send again", () => {
  const MAIN = "demo://resource/dynamic/text/1";
  type Case = { method: string; ask: (id: string) => Promise<unknown>; q?: string; result: unknown };
  const cases: Case[] = [
    {
      method: "resources/read",
      ask: (id) =>
        client.readMcpResource({
          params: { id },
          body: { uriTemplate: "demo://resource/dynamic/text/{resourceId}", variables: { resourceId: "1" } },
        }),
      result: { uri: MAIN, contents: [{ uri: MAIN, text: expect.any(String) }] },
    },
    {
      method: "prompts/get",
      ask: (id) => client.getMcpPrompt({ params: { id, name: "args-prompt" }, body: { arguments: { city: "Bern" } } }),
      result: { messages: [{ role: "user", content: { text: expect.stringContaining("Bern") } }], findings: [] },
    },
    {
      method: "completion/complete",
      ask: (id) =>
        client.completeMcp({
          params: { id },
          body: {
            ref: { type: "prompt", name: "completable-prompt" },
            argument: { name: "name", value: "A" },
            context: { department: "Engineering" },
          },
        }),
      result: { values: expect.arrayContaining(["Alice"]) },
    },
    { method: "tools/list", ask: async () => {}, result: { tools: expect.arrayContaining([expect.objectContaining({ name: "echo" })]) } },
    {
      method: "resources/list",
      ask: (id) => client.listMcpResources({ params: { id } }),
      result: { resources: expect.arrayContaining([expect.objectContaining({ uri: expect.any(String) })]) },
    },
    {
      method: "resources/templates/list",
      ask: (id) => client.listMcpResourceTemplates({ params: { id } }),
      result: { resourceTemplates: expect.arrayContaining([expect.objectContaining({ uriTemplate: expect.any(String) })]) },
    },
    {
      method: "prompts/list",
      ask: (id) => client.listMcpPrompts({ params: { id } }),
      result: { prompts: expect.arrayContaining([expect.objectContaining({ name: "args-prompt" })]) },
    },
    { method: "ping", ask: (id) => client.testMcpServer({ params: { id }, body: {} }), result: {} },
  ];
  let all: McpServer;
  let viewer: Client;
  let operator: Client;
  beforeAll(async () => {
    all = await client.createMcpServer({ body: { name: "all", launch: published("everything"), settings: { roots: ["/usr/share"] } } });
    const superuser = await platform.sql();
    const as = async (role: Role): Promise<Client> =>
      createClient({ url: platform.url, token: await addMember(superuser, { role, name: `the ${role}` }) });
    [viewer, operator] = [await as("viewer"), await as("operator")];
  });
  const requests = (method: string, count: number): Promise<Message[]> =>
    eventually(
      () => frames({ kind: "request", direction: "out", method }, all),
      (found) => found.length >= count,
    );
  const LISTS = new Set(["tools/list", "resources/list", "resources/templates/list", "prompts/list"]);

  test.each(cases)("$method", async ({ method, ask, result }) => {
    await ask(all.id);
    const [request] = await requests(method, 1);
    const sent = (await frames({ kind: "request", direction: "out", method }, all)).length;
    const params = { id: request?.id ?? "" };
    const replayed = await operator.replayFrame({ params });
    expect(replayed).toMatchObject({ request: params, before: { kind: "response" }, now: { result } });
    await requests(method, sent + 1);
    const [entry] = (await client.listAudit({ query: { action: "mcp_frame.replayed" } })).items;
    expect(entry).toMatchObject({ target: `frame:${params.id}`, outcome: "allow", details: { method, serverId: all.id } });

    if (LISTS.has(method)) return expect(await viewer.replayFrame({ params })).toMatchObject({ now: { result } });
    await expect(viewer.replayFrame({ params })).rejects.toMatchObject({ code: "permission_denied" });
    expect((await client.listAudit({ query: { action: "mcp_frame.replayed" } })).items[0]).toMatchObject({
      outcome: "deny",
      reason: method === "ping" ? "mcp_server:control" : "tool:call",
    });
    expect(await frames({ kind: "request", direction: "out", method }, all)).toHaveLength(sent + 1);
  });

  test.each<[string, Query]>([
    ["initialize", { kind: "request", method: "initialize" }],
    ["a notification", { kind: "notification", direction: "out" }],
    ["an answer", { kind: "response", direction: "in" }],
    ["a request of the server", { kind: "request", direction: "in" }],
    ["resources/subscribe", { kind: "request", method: "resources/subscribe" }],
  ])("but not %s", async (_what, query) => {
    if (query?.method === "resources/subscribe") await subscribeOnce(all.id);
    const [frame] = await eventually(
      () => frames(query, all),
      (found) => found.length > 0,
    );
    await expect(client.replayFrame({ params: { id: frame?.id ?? "" } })).rejects.toMatchObject({
      code: "frame_not_replayable",
      remedy: expect.stringMatching(/tools\/call, resources\/read, .*ping/),
    });
  });

  test("nor what carries a secret; and what the server answers is redacted", async () => {
    const prompt = (city: string) => client.getMcpPrompt({ params: { id: all.id, name: "args-prompt" }, body: { arguments: { city } } });
    await prompt(SECRET);
    const [carries] = await eventually(
      () => frames({ kind: "request", method: "prompts/get", q: "[redacted]" }, all),
      (found) => found.length > 0,
    );
    await expect(client.replayFrame({ params: { id: carries?.id ?? "" } })).rejects.toMatchObject({
      code: "frame_not_replayable",
      message: expect.stringMatching(/secrets were inside/),
    });
    const later = `sk-later-${"0123456789".repeat(2)}`;
    await prompt(later);
    const [request] = await eventually(
      () => frames({ kind: "request", method: "prompts/get", q: later }, all),
      (found) => found.length > 0,
    );
    await client.putSecret({ params: { name: "later" }, body: { value: later } });
    const { now } = await client.replayFrame({ params: { id: request?.id ?? "" } });
    expect(JSON.stringify(now)).not.toContain(later);
    expect(JSON.stringify(now)).toContain("[redacted]");
  });

  test("by the CLI", async () => {
    await client.listMcpPrompts({ params: { id: all.id } });
    const [request] = await requests("prompts/list", 1);
    const at = ["--url", platform.url, "--token", platform.token];
    const { stdout, code } = await runCli(["mcp", "replay", request?.id ?? "", "-o", "json", ...at]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ now: { result: { prompts: expect.any(Array) } } });
    const [began] = await requests("initialize", 1);
    const refused = await runCli(["mcp", "replay", began?.id ?? "", ...at]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("resources/templates/list") });
  });
});

/** Watches a resource for a moment. */
async function subscribeOnce(id: string): Promise<void> {
  const [first] = (await client.listMcpResources({ params: { id } })).items;
  const stop = new AbortController();
  const uri = encodeURIComponent(first?.uri ?? "");
  const response = await fetch(`${platform.url}/api/v1/mcp-servers/${id}/resources/stream?uri=${uri}`, {
    headers: { authorization: `Bearer ${platform.token}` },
    signal: stop.signal,
  });
  expect(response.status).toBe(200);
  stop.abort();
}

describe("a recorded call is sent again", () => {
  test("with its arguments and a key of its own, beside the old answer", async () => {
    await call("add", { a: 7000, b: 77 });
    const request = ofCall(await stored({ kind: "request", q: '"a":7000' }, 1), "request");
    const replayed = await client.replayFrame({ params: { id: request.id } });
    expect(replayed).toMatchObject({
      request: { id: request.id },
      before: { kind: "response", content: { result: { content: [{ text: "7077" }] } } },
      now: { result: { text: "7077", isError: false } },
    });
    const { items } = await client.listAudit({ query: { limit: 200 } });
    expect(items.find(({ action }) => action === "mcp_frame.replayed")).toMatchObject({ target: `frame:${request.id}` });
    const [first] = await stored({ kind: "request", q: '"a":7000' }, 2);
    expect(JSON.stringify(first?.content)).toContain("auterity.dev/idempotency-key");
  });

  test("only if it is one, whole, and without secrets", async () => {
    await call("meta", { note: `first ${SECRET}` });
    await call("meta", { note: `second ${"x".repeat(70_000)}` });
    const [redacted] = await stored({ kind: "request", q: "first [redacted]" }, 1);
    const [long] = await stored({ kind: "request", q: "second xxx" }, 1);
    const [began] = await stored({ kind: "request", method: "initialize" }, 1);
    const [answer] = await stored({ kind: "response", tool: "add" }, 1);
    expect(redacted).toMatchObject({ redacted: true });
    expect(JSON.stringify(redacted)).not.toContain(SECRET);
    const refusals = [
      [redacted, /secrets were inside/],
      [long, /too long/],
      [began, /no initialize is/],
      [answer, /a response that came/],
    ] as const;
    for (const [frame, why] of refusals) {
      const replay = client.replayFrame({ params: { id: frame?.id ?? "" } });
      await expect(replay).rejects.toMatchObject({ code: "frame_not_replayable", message: expect.stringMatching(why) });
    }
  });

  test("under the rules of now: a tool that is not approved any more is refused", async () => {
    await call("add", { a: 9000, b: 9 });
    const request = ofCall(await stored({ kind: "request", q: '"a":9000' }, 1), "request");
    await call("change", { to: "Adds two numbers, differently." });
    await eventually(
      () => client.listServerTools({ params: { id: server.id } }),
      ({ items }) => items.some(({ name, approval }) => name === "add" && approval === "changed"),
    );
    await expect(client.replayFrame({ params: { id: request.id } })).rejects.toMatchObject({ code: "tool_changed" });
  });
});

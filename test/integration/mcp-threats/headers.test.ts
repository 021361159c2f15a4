import { fileURLToPath } from "node:url";
import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { McpServer } from "#contract/mcp/servers.ts";
import { newId } from "#server/kernel/ids.ts";
import { ERAS, gatewayClient, raw, rpc, type Target } from "#test/support/mcp/gateway.ts";
import { KEPT_TOOLS, REFUSED_TOOLS, headerToolsHttpServer } from "#test/support/mcp/header-tools-server.ts";
import type { HttpFixture } from "#test/support/mcp/modern-server.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/**
 * M-19: tools that ask for headers in ways that no client can follow are left out, however their server is reached, and nobody finds them
 * at the gateway; the others are kept. What a parameter holds cannot become a header of its own.
 */
const STDIO = fileURLToPath(new URL("../../support/mcp/header-tools-server.ts", import.meta.url));
const KEPT = Object.keys(KEPT_TOOLS).toSorted();
const REFUSED = Object.keys(REFUSED_TOOLS);

let platform: StartedPlatform;
let remote: HttpFixture;
const warned: unknown[] = [];
const servers: Record<string, McpServer> = {};
const clients: Client[] = [];

beforeAll(async () => {
  // Whatever a library has to say about a tool would go to the platform's terminal, in the server's own words.
  vi.spyOn(console, "warn").mockImplementation((...said) => void warned.push(...said));
  remote = await headerToolsHttpServer();
  platform = await startedPlatform();
  const launches = {
    piped: { transport: "stdio" as const, command: process.execPath, args: [STDIO] },
    remote: { transport: "http" as const, url: remote.url },
  };
  for (const [name, launch] of Object.entries(launches)) servers[name] = await platform.client.createMcpServer({ body: { name, launch } });
});
afterAll(async () => {
  await Promise.allSettled(clients.map((client) => client.close()));
  await platform.close();
  await remote.close();
});

const idOf = (name: string) => ({ id: servers[name]?.id ?? "" });
const toolsOf = async (name: string) => (await platform.client.listServerTools({ params: idOf(name) })).items;
const target = (path = "/mcp"): Target => ({ url: `${platform.url}${path}`, token: platform.token });

describe.each(["piped", "remote"])("of the %s server", (name) => {
  test("tools that ask for headers as no client can are left out and said so; the others are kept", async () => {
    expect((await toolsOf(name)).map((tool) => tool.name).toSorted()).toEqual(KEPT);
    const { items } = await platform.client.listServerLogs({ params: idOf(name), query: { limit: 200 } });
    for (const refused of REFUSED) expect(items.map(({ text }) => text)).toContainEqual(expect.stringContaining(`left out ${refused}: `));
    expect(warned).toEqual([]);
  });

  test("those that are kept are called", async () => {
    for (const tool of await toolsOf(name)) {
      const { text } = await platform.client.callTool({ params: { id: tool.id }, body: { arguments: {} } });
      expect(JSON.parse(text)).toEqual({ [tool.name]: {} });
    }
  });

  test.each(ERAS)("the gateway shows a client of %s the others, and calls none that was left out", async (era) => {
    const client = await gatewayClient(target(`/mcp/servers/${name}`), era);
    clients.push(client);
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(KEPT);
    for (const refused of [...REFUSED, "never_there"])
      await expect(client.callTool({ name: refused, arguments: {} })).rejects.toMatchObject({
        code: -32_602,
        message: `Unknown tool: ${refused}`,
      });
    const { content } = await client.callTool({ name: "region", arguments: { region: "north" } });
    expect(content).toMatchObject([{ text: '{"region":{"region":"north"}}' }]);
  });
});

describe("a header that repeats a parameter", () => {
  test.each(["north", "north\r\nX-Evil: 1", "ñ – 北", " ", "=?base64?eA==?="])("holds %j and nothing else", async (region) => {
    const tool = (await toolsOf("remote")).find(({ name }) => name === "region");
    remote.requests.length = 0;
    const body = { arguments: { region } };
    const { text } = await platform.client.callTool({ params: { id: tool?.id ?? "" }, body });
    expect(JSON.parse(text)).toEqual({ region: { region } });
    const headers = remote.requests.map((request) => request.headers).find((each) => each["mcp-param-region"] !== undefined);
    const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(String(headers?.["mcp-param-region"])) ?? [];
    const sent = encoded === undefined ? headers?.["mcp-param-region"] : Buffer.from(encoded, "base64").toString();
    expect([sent, headers?.["x-evil"]]).toEqual([region, undefined]);
  });

  test("is sent by the sample call of a test as well", async () => {
    remote.requests.length = 0;
    const body = { tool: "region", arguments: { region: "east" } };
    expect(await platform.client.testMcpServer({ params: idOf("remote"), body })).toMatchObject({ ok: true });
    expect(remote.requests.map(({ headers }) => headers["mcp-param-region"])).toContain("east");
  });

  test.each([
    ["is another one", { "mcp-param-region": "south" }],
    ["is missing", {}],
    ["is not what it says it is", { "mcp-param-region": "=?base64?***?=" }],
  ])("of a client that %s is refused at the gateway, and the server is not called", async (_, header) => {
    const before = remote.requests.length;
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const params = { name: "remote__region", arguments: { region: `north ${newId()}` }, _meta };
    const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": params.name, ...header };
    const answer = await raw(target(), { headers, body: rpc({ id: 7, method: "tools/call", params }) });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ id: 7, error: { code: -32_020 } });
    expect(remote.requests.slice(before).map((request) => request.headers["mcp-method"])).not.toContain("tools/call");
  });
});

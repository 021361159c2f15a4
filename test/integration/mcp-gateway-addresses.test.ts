import { fileURLToPath } from "node:url";
import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { ERAS, gatewayClient, rpc, type Era } from "#test/support/mcp/gateway.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const OFFERING = fileURLToPath(new URL("../support/mcp/offering-server.ts", import.meta.url));

let platform: StartedPlatform;
const clients = new Map<string, Client>();

beforeAll(async () => {
  platform = await startedPlatform();
  const launch = { transport: "stdio" as const, command: process.execPath, args: [OFFERING] };
  await platform.client.createMcpServer({ body: { name: "offering", launch } });
});
afterAll(async () => {
  await Promise.allSettled([...clients.values()].map((client) => client.close()));
  await platform.close();
});

/** Both endpoints, and how addresses of the server are written there. */
const ENDPOINTS = [
  { path: "/mcp", prefix: "auterity:offering/" },
  { path: "/mcp/servers/offering", prefix: "" },
] as const;
type Endpoint = (typeof ENDPOINTS)[number];

async function clientOf({ path }: Endpoint, era: Era): Promise<Client> {
  const known = clients.get(`${era} ${path}`);
  const client = known ?? (await gatewayClient({ url: `${platform.url}${path}`, token: platform.token }, era));
  clients.set(`${era} ${path}`, client);
  return client;
}

/** A stream of the 2026 era for one resource: its status and its first message. */
async function listen({ path }: Endpoint, uri: string): Promise<{ status: number; text: string }> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const headers = {
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "subscriptions/listen",
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    authorization: `Bearer ${platform.token}`,
  };
  const body = rpc({ id: 1, method: "subscriptions/listen", params: { notifications: { resourceSubscriptions: [uri] }, _meta } });
  const gone = new AbortController();
  const { status, body: stream } = await fetch(`${platform.url}${path}`, { method: "POST", headers, body, signal: gone.signal });
  const first = await stream?.getReader().read();
  gone.abort();
  return { status, text: Buffer.from(first?.value ?? []).toString() };
}

/** What reached the server beside calls. */
async function heard(): Promise<string> {
  const { content } = await (await clientOf(ENDPOINTS[1], "2025-11-25")).callTool({ name: "heard", arguments: {} });
  return content[0]?.type === "text" ? content[0].text : "";
}

const REFUSED = [
  ["a file that the server does not list", "file:///etc/passwd"],
  ["a file beside those of its template", "file:///srv/docs/a/b"],
  ["a file in capitals", "FILE:///etc/passwd"],
  ["climbing", "notes://of/../../etc/passwd"],
  ["climbing out of a file that is listed", "file:///srv/docs/.."],
  ["climbing, encoded", "notes://of/%2e%2e/%2E%2e/etc"],
  ["climbing, encoded twice", "notes://of/%252e%252e%252fetc"],
  ["climbing by its slashes", "notes://of/..%2f..%2fetc"],
  ["more than 8,192 characters", `notes://${"a".repeat(LIMITS.mcpUriChars)}`],
  ["no scheme", "/etc/passwd"],
  ["a line break", "notes://a\r\nHost: evil"],
  ["a control character", "notes://a\u0007b"],
  ["a template that the server does not list", "file://{+path}"],
] as const;

const PASSED = ["file:///srv/listed.txt", "file:///srv/docs/a.txt", "notes://today", "notes://of/anna"];

const REFUSAL = { code: -32_602, data: { code: "mcp_uri_refused", remedy: expect.any(String) } };

describe.each(ERAS)("M-22 a client of %s", (era) => {
  describe.each(ENDPOINTS)("at $path", (endpoint) => {
    test.each(REFUSED)("reaches no server with %s", async (_, own) => {
      const client = await clientOf(endpoint, era);
      const uri = `${endpoint.prefix}${own}`;
      await expect(client.readResource({ uri })).rejects.toMatchObject(REFUSAL);
      const ref = { type: "ref/resource", uri } as const;
      await expect(client.complete({ ref, argument: { name: "who", value: "" } })).rejects.toMatchObject(REFUSAL);
      if (era === "2025-11-25") await expect(client.subscribeResource({ uri })).rejects.toMatchObject(REFUSAL);
      else {
        const { status, text } = await listen(endpoint, uri);
        expect([status, JSON.parse(text)]).toMatchObject([400, { id: 1, error: { message: expect.stringContaining("not passed") } }]);
      }
      expect(await heard()).not.toContain(JSON.stringify(own));
    });

    test.each(PASSED)("reads and watches %s", async (own) => {
      const client = await clientOf(endpoint, era);
      const uri = `${endpoint.prefix}${own}`;
      expect(await client.readResource({ uri })).toMatchObject({ contents: [{ uri, text: `the text of ${own}` }] });
      expect(await heard()).toContain(JSON.stringify(own));
      if (era === "2025-11-25") await client.subscribeResource({ uri });
      else expect(await listen(endpoint, uri)).toMatchObject({ status: 200, text: expect.stringContaining(own) });
    });

    test("is told what fits into a template that is listed", async () => {
      const client = await clientOf(endpoint, era);
      const ref = { type: "ref/resource", uri: `${endpoint.prefix}file:///srv/docs/{name}` } as const;
      expect((await client.complete({ ref, argument: { name: "name", value: "" } })).completion.values).toEqual(["a"]);
    });
  });
});

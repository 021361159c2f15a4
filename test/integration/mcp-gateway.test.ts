import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { published } from "#test/support/mcp/platform.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const ERAS = ["2025-11-25", "2026-07-28"] as const;
type Era = (typeof ERAS)[number];

let platform: StartedPlatform;
const clients: Client[] = [];

async function connect(path: string, era: Era, token = platform.token): Promise<Client> {
  const mode = era === "2025-11-25" ? ("legacy" as const) : ("auto" as const);
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(path, platform.url), { requestInit }));
  clients.push(client);
  return client;
}

beforeAll(async () => {
  platform = await startedPlatform();
  await platform.client.createMcpServer({ body: { name: "everything", launch: published("everything") } });
});
afterAll(async () => {
  await Promise.allSettled(clients.map((client) => client.close()));
  await platform.close();
});

describe.each(ERAS)("a client of %s", (era) => {
  test("finds and calls the tools of all servers at one address", async () => {
    const client = await connect("/mcp", era);
    expect(client.getNegotiatedProtocolVersion()).toBe(era);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("everything__echo");
    const result = await client.callTool({ name: "everything__echo", arguments: { message: "hello" } });
    expect(result.content).toEqual([{ type: "text", text: "Echo: hello" }]);
  });
});

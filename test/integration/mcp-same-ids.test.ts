import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { published } from "#test/support/mcp/platform.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

/** Two clients use the same JSON-RPC ids at the same time, through one process of one server. */
const CALLS_OF_EACH = process.env["AUTERITY_TEST_DEPTH"] === "full" ? 5_000 : 1_000;
const AT_ONCE = 25;

let platform: StartedPlatform;
const clients: Client[] = [];
beforeAll(async () => {
  platform = await startedPlatform();
  await platform.client.createMcpServer({ body: { name: "everything", launch: published("everything") } });
});
afterAll(async () => {
  await Promise.allSettled(clients.map((client) => client.close()));
  await platform.close();
});

async function connect(): Promise<{ client: Client; sent: unknown[] }> {
  const client = new Client({ name: "test", version: "1.0.0" });
  const requestInit = { headers: { authorization: `Bearer ${platform.token}` } };
  const transport = new StreamableHTTPClientTransport(new URL("/mcp/servers/everything", platform.url), { requestInit });
  const send = transport.send.bind(transport);
  const sent: unknown[] = [];
  transport.send = async (message, options) => {
    if (!Array.isArray(message) && "id" in message) sent.push(message.id);
    return send(message, options);
  };
  await client.connect(transport);
  clients.push(client);
  return { client, sent };
}

async function callAll(client: Client, name: string): Promise<number> {
  let next = 0;
  let own = 0;
  const worker = async (): Promise<void> => {
    while (next < CALLS_OF_EACH) {
      const message = `${name} ${(next += 1)}`;
      const { content } = await client.callTool({ name: "echo", arguments: { message } });
      if (JSON.stringify(content) === JSON.stringify([{ type: "text", text: `Echo: ${message}` }])) own += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return own;
}

test("M-13: each gets only its own answers", async () => {
  const [anna, bert] = await Promise.all([connect(), connect()]);
  const own = await Promise.all([callAll(anna.client, "anna"), callAll(bert.client, "bert")]);
  expect(own).toEqual([CALLS_OF_EACH, CALLS_OF_EACH]);
  // It would prove nothing if the ids had been different.
  expect(anna.sent).toEqual(bert.sent);
}, 240_000);

import { setTimeout as pause } from "node:timers/promises";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { McpServer } from "#contract/mcp/servers.ts";
import { eventually } from "#test/support/eventually.ts";
import { busy } from "#test/support/mcp/platform.ts";
import { startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let stream: { events: { at: number; serverId: string; state: string }[]; stop: () => void };

beforeAll(async () => {
  platform = await startedPlatform();
  stream = await listen();
}, 120_000);
afterAll(async () => {
  stream.stop();
  await platform.close();
});

/** The states of MCP servers as the event stream tells them. */
async function listen(): Promise<typeof stream> {
  const controller = new AbortController();
  const response = await fetch(`${platform.url}/api/v1/events`, {
    headers: { authorization: `Bearer ${platform.token}` },
    signal: controller.signal,
  });
  const events: (typeof stream)["events"] = [];
  let seen = "";
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) {
      seen += Buffer.from(chunk).toString("utf8");
      const lines = seen.split("\n");
      seen = lines.pop() ?? "";
      for (const line of lines.filter((one) => one.startsWith("data:"))) {
        const event: { type: string; serverId: string; state: string } = JSON.parse(line.slice(5));
        if (event.type === "mcp_server") events.push({ at: performance.now(), serverId: event.serverId, state: event.state });
      }
    }
  };
  void read().catch(() => {});
  return { events, stop: () => controller.abort() };
}

const register = (name: string): Promise<McpServer> => platform.client.createMcpServer({ body: { name, launch: busy() } });
const statesOf = ({ id }: McpServer): string[] => stream.events.filter(({ serverId }) => serverId === id).map(({ state }) => state);

describe("the live status of servers", () => {
  test("a killed server's event arrives within two seconds, and what arrives last is what REST says", async () => {
    const server = await register("killed");
    await eventually(
      async () => statesOf(server),
      (states) => states.at(-1) === "READY",
    );
    const before = stream.events.length;
    process.kill(server.pid ?? 0, "SIGKILL");
    const killed = performance.now();
    await eventually(
      async () => stream.events.length,
      (count) => count > before,
    );
    const [first] = stream.events.slice(before);
    expect(first).toMatchObject({ serverId: server.id, state: "STARTING" });
    expect((first?.at ?? Infinity) - killed).toBeLessThan(2_000);
    await eventually(
      async () => statesOf(server),
      (states) => states.at(-1) === "READY",
    );
    expect(await platform.client.getMcpServer({ params: { id: server.id } })).toMatchObject({ state: "READY", restarts: 1 });
  });

  test("each state that a person brings about is told, and can be read by then", async () => {
    const server = await register("controlled");
    const params = { id: server.id };
    const known = stream.events.length;
    await platform.client.quarantineMcpServer({ params, body: { reason: "A look at it." } });
    await platform.client.releaseMcpServer({ params });
    const { state } = await platform.client.stopMcpServer({ params });
    await pause(200);
    const told = stream.events.slice(known).filter(({ serverId }) => serverId === server.id);
    expect(told.map((event) => event.state)).toEqual(["STOPPING", "QUARANTINED", "STOPPED", "STARTING", "READY", "STOPPING", "STOPPED"]);
    expect(state).toBe("STOPPED");
  });
});

test("a step whose server dies under it is tried again over the next process, and the journal tells of both", async () => {
  const server = await register("dying");
  const data = { server: "dying", tool: "work", arguments: { ms: 1_500 } };
  const policy = { retry: { maxAttempts: 3, backoffMs: 10 } };
  const definition = {
    version: 2,
    name: "Works",
    nodes: [
      { id: "start", type: "start" },
      { id: "work", type: "mcp_tool", data, policy },
      { id: "end", type: "end", data: { output: { pid: "=steps.work.text" } } },
    ],
    edges: [
      { id: "a", source: "start", target: "work" },
      { id: "b", source: "work", target: "end" },
    ],
  };
  const workflow = await platform.client.createWorkflow({ body: { name: "Works", definition } });
  const { id } = await platform.client.startRun({ params: { id: workflow.id }, body: { input: {} } });
  const journal = async () => (await platform.client.getRunJournal({ params: { id }, query: {} })).items;
  await eventually(journal, (events) => events.some(({ kind }) => kind === "step_started"));
  await pause(300);
  process.kill(server.pid ?? 0, "SIGKILL");
  const run = await platform.client.waitForRun(id);
  expect(run.status).toBe("succeeded");
  const { pid } = await platform.client.getMcpServer({ params: { id: server.id } });
  expect(run.output).toEqual({ pid: String(pid) });
  expect(pid).not.toBe(server.pid);
  expect(JSON.stringify(await journal())).toContain("mcp_exited");
});

test("clients of /mcp that have a session each have one with a server that keeps something between calls", async () => {
  const settings = { sharing: { mode: "session" } } as const;
  await platform.client.createMcpServer({ body: { name: "counting", launch: busy(), settings } });
  const clients = await Promise.all([open(), open()]);
  const count = async (client: Client | undefined): Promise<unknown> => {
    const { content } = (await client?.callTool({ name: "counting__count", arguments: {} })) ?? {};
    return content;
  };
  const says = (text: string) => [{ type: "text", text }];
  expect([await count(clients[0]), await count(clients[0]), await count(clients[1])]).toEqual([says("1"), says("2"), says("1")]);
  await Promise.all(clients.map((client) => client.close()));
});

async function open(): Promise<Client> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "legacy" } });
  const requestInit = { headers: { authorization: `Bearer ${platform.token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${platform.url}/mcp`), { requestInit }));
  return client;
}

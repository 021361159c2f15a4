import { setTimeout as pause } from "node:timers/promises";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { McpServer } from "#contract/mcp/servers.ts";
import { eventually } from "#test/support/eventually.ts";
import { changingServer, plainTool } from "#test/support/mcp/changing.ts";
import { liveEventsOf, type LiveEvents } from "#test/support/live-events.ts";
import { busy } from "#test/support/mcp/platform.ts";
import { addTenant, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

let platform: StartedPlatform;
let stream: LiveEvents;

beforeAll(async () => {
  platform = await startedPlatform();
  stream = await liveEventsOf(platform);
}, 120_000);
afterAll(async () => {
  stream.stop();
  await platform.close();
});

const register = (name: string): Promise<McpServer> => platform.client.createMcpServer({ body: { name, launch: busy() } });
const statesOf = ({ id }: McpServer): string[] =>
  stream
    .of("mcp_server")
    .filter(({ serverId }) => serverId === id)
    .map(({ state }) => state);

describe("the live status of servers", () => {
  test("a killed server's event arrives within two seconds, and what arrives last is what REST says", async () => {
    const server = await register("killed");
    await eventually(
      async () => statesOf(server),
      (states) => states.at(-1) === "READY",
    );
    const before = stream.of("mcp_server").length;
    process.kill(server.pid ?? 0, "SIGKILL");
    const killed = performance.now();
    await eventually(
      async () => stream.of("mcp_server").length,
      (count) => count > before,
    );
    const [first] = stream.of("mcp_server").slice(before);
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
    const known = statesOf(server).length;
    await platform.client.quarantineMcpServer({ params, body: { reason: "A look at it." } });
    await platform.client.releaseMcpServer({ params });
    const { state } = await platform.client.stopMcpServer({ params });
    await pause(200);
    expect(statesOf(server).slice(known)).toEqual(["STOPPING", "QUARANTINED", "STOPPED", "STARTING", "READY", "STOPPING", "STOPPED"]);
    expect(state).toBe("STOPPED");
  });
});

describe("the live news of tools", () => {
  test("tell what has become of which tool and whom that concerns, once it can be read, and nobody else's workspace", async () => {
    const changing = await changingServer({ tools: [plainTool()] });
    const { client } = platform;
    const stranger = await liveEventsOf({ url: platform.url, token: (await addTenant(await platform.sql(), "Strangers")).token });
    const server = await client.createMcpServer({ body: { name: "sums", launch: changing.launch } });
    const [tool] = (await client.listServerTools({ params: { id: server.id } })).items;
    const params = { id: tool?.id ?? "" };
    const nodes = [
      { id: "start", type: "start" },
      { id: "sum", type: "mcp_tool", data: { server: "sums", tool: "add" } },
      { id: "end", type: "end" },
    ];
    const edges = [
      { id: "a", source: "start", target: "sum" },
      { id: "b", source: "sum", target: "end" },
    ];
    const workflow = await client.createWorkflow({ body: { name: "Sums", definition: { version: 2, name: "Sums", nodes, edges } } });
    const told = () => stream.of("mcp_tools").filter(({ serverId }) => serverId === server.id);
    const next = () => {
      const before = told().length;
      return async () =>
        (
          await eventually(
            async () => told(),
            (all) => all.length > before,
          )
        ).slice(before);
    };
    const concerning = (change: string, workflows: string[] = [workflow.id]) => [
      { type: "mcp_tools", serverId: server.id, tools: [{ id: params.id, name: "add", change }], count: 1, workflows },
    ];
    expect(told()).toMatchObject(concerning("new", []));

    const changed = next();
    await changing.says({ tools: [plainTool({ description: "Adds. Always." })] });
    expect(await changed()).toMatchObject(concerning("changed"));
    const { hash, approval } = (await client.listServerTools({ params: { id: server.id } })).items[0] ?? {};
    expect(approval).toBe("changed");
    const { items } = await client.listAudit({ query: { action: "mcp_tool.changed" } });
    expect(items).toMatchObject([{ target: `mcp_tool:${params.id}`, details: { workflows: [workflow.id] } }]);

    const decisions = [
      ["approved", () => client.approveTool({ params, body: { hash: hash ?? "" } })],
      ["disabled", () => client.disableTool({ params, body: { reason: "A look at it." } })],
      ["enabled", () => client.enableTool({ params, body: { hash: hash ?? "" } })],
      ["rejected", () => client.rejectTool({ params, body: { hash: hash ?? "", reason: "No." } })],
    ] as const;
    for (const [change, decide] of decisions) {
      const decided = next();
      await decide();
      expect(await decided()).toMatchObject(concerning(change));
    }

    const gone = next();
    await changing.says({ tools: [] });
    expect(await gone()).toMatchObject(concerning("gone"));
    expect(stranger.of("mcp_tools")).toEqual([]);
    stranger.stop();
    await changing.remove();
  });

  test("are told of a server that says nothing of its changes when it is next looked at", async () => {
    const changing = await changingServer({ tools: [plainTool()], isQuiet: true });
    const server = await platform.client.createMcpServer({ body: { name: "quiet", launch: changing.launch } });
    await changing.says({ tools: [plainTool(), plainTool({ name: "subtract" })], isQuiet: true });
    await platform.client.restartMcpServer({ params: { id: server.id } });
    const told = () => stream.of("mcp_tools").filter(({ serverId }) => serverId === server.id);
    await eventually(
      async () => told(),
      (all) => all.length === 2,
    );
    expect(told().at(-1)).toMatchObject({ tools: [{ name: "subtract", change: "new" }], count: 1, workflows: [] });
    await changing.remove();
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

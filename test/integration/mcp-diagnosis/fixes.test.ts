import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Launch } from "#contract/mcp/servers.ts";
import type { Tool } from "#contract/mcp/tools.ts";
import { createClient, type Client } from "#sdk/client.ts";
import { changingServer, plainTool, type ChangingServer } from "#test/support/mcp/changing.ts";
import { httpServer, modernHandler, type HttpFixture } from "#test/support/mcp/modern-server.ts";
import { hostile } from "#test/support/mcp/platform.ts";
import { addMember, startedPlatform, type StartedPlatform } from "#test/support/started-platform.ts";

const CREDENTIAL = "Bearer hunter2-hunter2";
const safe = (name: string) => ({ name, description: `Tells ${name}.`, inputSchema: { type: "object" } });

let at: StartedPlatform;
let designer: Client;
let folder: string;
let remote: HttpFixture;
let changing: ChangingServer;

beforeAll(async () => {
  at = await startedPlatform();
  designer = createClient({ url: at.url, token: await addMember(await at.sql(), { role: "designer", name: "Dee" }) });
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-fixes-")));
  changing = await changingServer({ tools: [plainTool()] });
  const answer = modernHandler();
  remote = await httpServer((request, response) => {
    if (request.url === "/guarded" && request.headers.authorization !== CREDENTIAL) {
      return void response.writeHead(401, { "www-authenticate": 'Bearer realm="vault"' }).end("who are you?");
    }
    return request.url === "/nothing" ? void response.writeHead(404).end("nothing here") : answer(request, response);
  });
});
afterAll(async () => {
  await at.close();
  await remote.close();
  await changing.remove();
  await rm(folder, { recursive: true, force: true });
});

const inside = (...parts: string[]): string => join(folder, ...parts);
/** The server of our own that works, as a program of its own name. */
const program = (): string =>
  `#!/bin/sh\nexec '${process.execPath}' ${hostile()
    .args.map((arg) => `'${arg}'`)
    .join(" ")}\n`;
const named = (command: string): Launch => ({ transport: "stdio", command, args: [], env: {} });
const http = (path: string): Launch => ({ transport: "http", url: new URL(path, remote.url).href, headers: {} });

const relaunch = async (id: string, launch: Launch): Promise<void> =>
  void (await at.client.updateMcpServer({ params: { id }, body: { launch } }));
const store = async (name: string, value: string): Promise<void> =>
  void (await at.client.putSecret({ params: { name }, body: { environment: "production", value } }));

async function toolOf(serverId: string, name: string): Promise<Tool> {
  const { items } = await at.client.listServerTools({ params: { id: serverId } });
  const tool = items.find((candidate) => candidate.name === name);
  if (!tool) throw new Error(`the server lists no tool ${name}`);
  return tool;
}

/** The running server lists this from now on, and the platform knows it. */
async function says(serverId: string, tools: readonly { name: string }[], known: (tool: Tool) => boolean): Promise<void> {
  await changing.says({ tools });
  await expect
    .poll(async () => known(await toolOf(serverId, tools.at(-1)?.name ?? "").catch(() => toolOf(serverId, "add"))), { timeout: 10_000 })
    .toBe(true);
}

async function approve(serverId: string, name: string): Promise<void> {
  const { id } = await toolOf(serverId, name);
  const { to } = await at.client.getToolDiff({ params: { id } });
  await at.client.approveTool({ params: { id }, body: { hash: to.hash } });
}

type Row = {
  what: string;
  code: string;
  remedy: RegExp;
  launch: () => Launch;
  /** What makes it fail after the registration. */
  spoil?: (id: string) => Promise<void>;
  by?: () => Client;
  tool?: string;
  /** By default only a server with a tool to call is started. */
  start?: false;
  /** What the remedy says, and nothing else. */
  fix: (id: string) => Promise<void>;
};

const ROWS: readonly Row[] = [
  {
    what: "a command that is not there, installed",
    code: "mcp_command_not_found",
    remedy: /Install the command/,
    launch: () => named(inside("installed-later")),
    fix: () => writeFile(inside("installed-later"), program(), { mode: 0o755 }),
  },
  {
    what: "a command that is not there, its path corrected",
    code: "mcp_command_not_found",
    remedy: /correct its path/,
    launch: () => ({ ...hostile(), command: "noode" }),
    fix: (id) => relaunch(id, hostile()),
  },
  {
    what: "a file that may not be executed",
    code: "mcp_command_not_executable",
    remedy: /chmod \+x/,
    launch: () => named(inside("plain")),
    spoil: () => writeFile(inside("plain"), program(), { mode: 0o644 }),
    fix: () => chmod(inside("plain"), 0o755),
  },
  {
    what: "a folder that does not exist, made",
    code: "mcp_command_not_found",
    remedy: /make the folder/,
    launch: () => ({ ...hostile(), cwd: inside("made-later") }),
    fix: () => mkdir(inside("made-later")),
  },
  {
    what: "a folder that does not exist, corrected",
    code: "mcp_command_not_found",
    remedy: /Correct the server's cwd/,
    launch: () => ({ ...hostile(), cwd: inside("never-made") }),
    fix: (id) => relaunch(id, { ...hostile(), cwd: folder }),
  },
  {
    what: "a secret that nobody has stored",
    code: "secret_missing",
    remedy: /Store the secret/,
    launch: () => ({ ...hostile(), env: { API_KEY: "secret:FORGOTTEN" } }),
    fix: () => store("FORGOTTEN", "hunter3-hunter3"),
  },
  {
    what: "a folder of the sandbox that does not exist",
    code: "mcp_sandbox_unavailable",
    remedy: /make the folder/,
    launch: () => ({ ...hostile(), sandbox: { read: hostile().args.slice(0, 1), write: [inside("written")], network: "none" } }),
    fix: () => mkdir(inside("written")),
  },
  {
    what: "a launch that nobody has approved",
    code: "launch_not_approved",
    remedy: /An owner must approve .*\/mcp-servers\/\{id\}\/approve/,
    launch: () => hostile(),
    by: () => designer,
    fix: async (id) => void (await at.client.approveMcpLaunch({ params: { id } })),
  },
  {
    what: "a wrong path of an HTTP server",
    code: "mcp_endpoint_wrong",
    remedy: /Correct the path .*`\/mcp`/,
    launch: () => http("/nothing"),
    fix: (id) => relaunch(id, http("/mcp")),
  },
  {
    what: "a credential that is missing",
    code: "mcp_unauthorized",
    remedy: /as a secret.*`"authorization": "secret:<name>"`/,
    launch: () => http("/guarded"),
    fix: async (id) => {
      await store("REMOTE", CREDENTIAL);
      await relaunch(id, { transport: "http", url: new URL("/guarded", remote.url).href, headers: { authorization: "secret:REMOTE" } });
    },
  },
  {
    what: "a tool that nobody has approved",
    code: "mcp_tool_not_approved",
    remedy: /Approve the tool/,
    launch: () => changing.launch,
    tool: "fresh",
    spoil: (id) => says(id, [plainTool(), safe("fresh")], ({ name }) => name === "fresh"),
    fix: (id) => approve(id, "fresh"),
  },
  {
    what: "a tool that was never listed, as the server was never started",
    code: "mcp_tool_not_approved",
    remedy: /Start the server.* and approve/,
    launch: () => changing.launch,
    by: () => designer,
    tool: "add",
    start: false,
    spoil: async (id) => void (await at.client.approveMcpLaunch({ params: { id } })),
    fix: async (id) => {
      await at.client.startMcpServer({ params: { id } });
      await approve(id, "add");
    },
  },
  {
    what: "a tool that has changed",
    code: "tool_changed",
    remedy: /Review the changed definition and approve it/,
    launch: () => changing.launch,
    tool: "add",
    spoil: (id) => says(id, [plainTool({ description: "Adds two numbers. Always." })], ({ approval }) => approval === "changed"),
    fix: (id) => approve(id, "add"),
  },
  {
    what: "a tool that is disabled",
    code: "mcp_tool_disabled",
    remedy: /Enable the tool/,
    launch: () => changing.launch,
    tool: "add",
    spoil: async (id) => void (await at.client.disableTool({ params: { id: (await toolOf(id, "add")).id }, body: { reason: "for now" } })),
    fix: async (id) => {
      const { id: toolId, hash } = await toolOf(id, "add");
      await at.client.enableTool({ params: { id: toolId }, body: { hash } });
    },
  },
];

describe("doing what the remedy says makes the test pass:", () => {
  test.each(ROWS)("$what ($code)", async ({ code, remedy, launch, spoil, by, tool, start = tool !== undefined, fix }) => {
    await changing.says({ tools: [plainTool()] });
    const name = `fix-${Math.random().toString(36).slice(2, 10)}`;
    const server = await (by?.() ?? at.client).createMcpServer({ body: { name, launch: launch(), start } });
    const request = { params: { id: server.id }, body: tool === undefined ? {} : { tool } };
    await spoil?.(server.id);
    const failed = await at.client.testMcpServer(request);
    expect(failed).toMatchObject({ ok: false, failure: { code } });
    expect(failed.failure?.remedy).toMatch(remedy);
    for (const text of [failed.failure?.message, failed.failure?.cause]) expect(text).toMatch(/./);
    await fix(server.id);
    const passed = await at.client.testMcpServer(request);
    expect(passed.failure).toBeNull();
    expect([passed.ok, passed.findings]).toEqual([true, []]);
    if (tool !== undefined) expect(passed.stages.at(-1)).toMatchObject({ stage: "sample_call", status: "ok" });
    const { items } = await at.client.listMcpServerTests({ params: { id: server.id } });
    expect(items.slice(0, 2)).toEqual([passed, failed]);
    await at.client.deleteMcpServer({ params: { id: server.id } });
  });
});

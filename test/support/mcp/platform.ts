import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createMcp, type Mcp, type McpDeps } from "#server/mcp/index.ts";
import { expect, vi } from "vitest";
import { createMcpServer, getMcpServer, type Launch, type McpServer, type ServerState } from "#contract/mcp/servers.ts";
import { listServerTools, type Tool } from "#contract/mcp/tools.ts";
import { ROLE_PERMISSIONS, type Role } from "#contract/permissions.ts";
import type { RouteCall, RouteResponse, RouteSpec } from "#contract/route.ts";
import type { Caller } from "#server/kernel/caller.ts";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { StepCall } from "#server/kernel/step-executor.ts";
import type { TestDatabase } from "../postgres.ts";
import { mcpDoubles, type McpDoubles } from "./doubles.ts";

const HOSTILE = fileURLToPath(new URL("hostile-server.ts", import.meta.url));
const BUSY = fileURLToPath(new URL("busy-server.ts", import.meta.url));
const PACKAGES = fileURLToPath(new URL("../../../node_modules/@modelcontextprotocol", import.meta.url));

/** Short waits: the servers are on this machine. */
export const QUICK = {
  probeMs: 3_000,
  handshakeMs: 6_000,
  listMs: 6_000,
  stopEofMs: 300,
  stopTermMs: 300,
  stopKillMs: 5_000,
  restart: { backoffMs: 10, factor: 2, maxMs: 50, jitter: 0 },
  quickFailures: 3,
  firstListMs: 10_000,
  settleMs: 50,
  logFlushMs: 10,
  listChangedDebounceMs: 5,
} as const;

type Part<R extends RouteSpec> = Partial<Pick<RouteCall<R>, "params" | "query" | "body">>;

export type McpPlatform = McpDoubles & {
  mcp: Mcp;
  /** Calls a route as the HTTP layer would: parsed before and after. */
  call<R extends RouteSpec>(route: R, request: Part<R>, caller?: Caller, signal?: AbortSignal): Promise<RouteResponse<R>>;
  close(): Promise<void>;
};

/** The MCP slice over a real database, with doubles for everything else. */
export async function mcpPlatform(
  db: TestDatabase,
  change: Partial<McpDeps> & { secretValues?: Record<string, string> } = {},
): Promise<McpPlatform> {
  const { secretValues, ...deps } = change;
  const dataDir = await mkdtemp(join(tmpdir(), "auterity-mcp-"));
  const doubles = mcpDoubles(secretValues);
  const mcp = createMcp({
    ...doubles,
    database: db.database,
    log: silentLog,
    newId,
    now: () => new Date(),
    instanceId: newId(),
    dataDir,
    ownerApproves: true,
    workflowsUsing: () => Promise.resolve([]),
    resumeStep: () => Promise.resolve("over"),
    toolsUsed: () => Promise.resolve([]),
    secretsUsed: () => Promise.resolve(new Set()),
    ...deps,
    timings: { ...QUICK, ...deps.timings },
  });
  const owner = callerOf(db.tenantId, "owner");
  return {
    ...doubles,
    mcp,
    async call(route, request, ...[caller = owner, signal = new AbortController().signal]) {
      const handled = mcp.routes.find((candidate) => candidate.route === route);
      if (!handled) throw new Error(`no handler for ${route.name}`);
      const parsed = {
        params: route.params?.parse(request.params),
        query: route.query?.parse(request.query ?? {}),
        body: route.body?.parse(request.body),
      };
      const context = { caller, requestId: newId(), signal };
      const run = handled.run as (request: object) => unknown;
      return route.response.parse(await run({ ...parsed, headers: undefined, ...context })) as never;
    },
    close: async () => {
      await mcp.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Platforms over one database; `close` ends them all. */
export function mcpPlatforms(db: () => TestDatabase) {
  const open: McpPlatform[] = [];
  return {
    async open(change?: Parameters<typeof mcpPlatform>[1]): Promise<McpPlatform> {
      const platform = await mcpPlatform(db(), change);
      open.push(platform);
      return platform;
    },
    async close(): Promise<void> {
      await Promise.all(open.splice(0).map((platform) => platform.close()));
      // The next test's platform starts only its own servers.
      await db().ownerPool.query("update mcp_servers set desired = 'stopped'");
    },
  };
}

/** Registers under a name of its own and waits for the first attempt. */
export const register = (p: McpPlatform, launch: Launch, caller?: Caller): Promise<McpServer> =>
  p.call(createMcpServer, { body: { name: `s-${newId().slice(-12)}`, launch } }, caller);

export async function settled(p: McpPlatform, id: string, state: ServerState): Promise<McpServer> {
  await vi.waitFor(async () => expect((await p.call(getMcpServer, { params: { id } })).state).toBe(state), {
    timeout: 20_000,
    interval: 20,
  });
  return p.call(getMcpServer, { params: { id } });
}

/** One tool of a server, by its name. */
export async function toolNamed(p: McpPlatform, serverId: string, name: string): Promise<Tool> {
  const { items } = await p.call(listServerTools, { params: { id: serverId } });
  const tool = items.find((candidate) => candidate.name === name);
  if (!tool) throw new Error(`the server lists no tool ${name}`);
  return tool;
}

export const callerOf = (tenantId: string, role: Role, ref = `user:${role}`): Caller => ({
  tenantId,
  principalId: ref,
  ref,
  name: role,
  kind: "user",
  role,
  permissions: new Set(ROLE_PERMISSIONS[role]),
});

type StdioLaunch = { transport: "stdio"; command: string; args: string[]; env: Record<string, string>; cwd?: string };

/** The server of our own that misbehaves as told; none means that it behaves. */
export const hostile = (...modes: string[]): StdioLaunch => ({
  transport: "stdio",
  command: process.execPath,
  args: [HOSTILE, ...modes],
  env: {},
});

/** The server of our own that tells which of its processes has done what. */
export const busy = (...modes: string[]): StdioLaunch => ({
  transport: "stdio",
  command: process.execPath,
  args: [BUSY, ...modes],
  env: {},
});

/** A published MCP server, run without a package runner. */
export const published = (name: "everything" | "filesystem" | "memory", ...args: string[]): StdioLaunch => ({
  transport: "stdio",
  command: process.execPath,
  args: [join(PACKAGES, `server-${name}`, "dist/index.js"), ...args],
  env: {},
});

/** A call as a run makes it. */
export function stepCall(db: { tenantId: string }, input: StepCall["input"], change: Partial<StepCall> = {}): StepCall {
  return {
    tenantId: db.tenantId,
    environment: "production",
    initiator: "user:1",
    depth: 0,
    step: { runId: newId(), scope: "", nodeId: "call", attempt: 1 },
    input,
    key: "key-1",
    effect: "once",
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    saveHandle: async () => {},
    ...change,
  };
}

/** Processes that live and were started for this server, however far they have moved away. */
export async function processesOf(serverId: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(async (pid) => ((await isOf(pid, serverId)) ? Number(pid) : undefined)));
  return found.filter((pid) => pid !== undefined);
}

async function isOf(pid: string, serverId: string): Promise<boolean> {
  const environment = await readFile(join("/proc", pid, "environ"), "latin1").catch(() => "");
  return environment.includes(`AUTERITY_INSTANCE=${serverId}`);
}

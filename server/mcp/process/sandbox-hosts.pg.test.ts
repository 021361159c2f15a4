import { once } from "node:events";
import { mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { listServerLogs } from "#contract/mcp/logs.ts";
import { getMcpServer, restartMcpServer, stopMcpServer, type Launch } from "#contract/mcp/servers.ts";
import { callTool } from "#contract/mcp/tools.ts";
import { createEgress } from "#server/egress/index.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Audit, AuditRecord } from "#server/kernel/ports.ts";
import { canary, type Canary } from "#test/support/canary.ts";
import { mcpPlatforms, processesOf, register, settled, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { runaway } from "#test/support/mcp/runaway.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { ROOT } from "#test/support/source-files.ts";

const PROBE = fileURLToPath(new URL("../../../test/support/mcp/probe-server.ts", import.meta.url));
const NAMES: Record<string, string> = { "api.test": "127.0.0.1", "inside.test": "127.0.0.1", "meta.test": "169.254.169.254" };

let db: TestDatabase;
let web: Server;
let port = 0;
let trap: Canary;
let audited: AuditRecord[] = [];
let guard: ReturnType<typeof createEgress>;
const platforms = mcpPlatforms(() => db);
const audit: Audit = { record: async (_tx, ...entries) => void audited.push(...entries) };

beforeAll(async () => {
  db = await testDatabase();
  trap = await canary();
  web = createServer((request, response) => response.end(`${request.method} ${request.url}`)).listen(0, "127.0.0.1");
  await once(web, "listening");
  const address = web.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
beforeEach(() => {
  audited = [];
  const lookup = async (host: string) => {
    const address = NAMES[host];
    if (address === undefined) throw Object.assign(new Error(`${host} is not found`), { code: "ENOTFOUND" });
    return [{ address, family: 4 }];
  };
  guard = createEgress({ database: db.database, audit, log: silentLog, now: () => new Date(), lookup });
});
afterEach(async () => {
  await platforms.close();
  await guard.close();
});
afterAll(async () => {
  web.closeAllConnections();
  web.close();
  await trap.close();
  await db.close();
});

const open = (): Promise<McpPlatform> => platforms.open({ audit, egress: guard.egress });
const allow = (host: string, at = port): Promise<void> =>
  db.database.asTenant(db.tenantId, (tx) =>
    guard.egress.allow(tx, { tenantId: db.tenantId, url: `http://${host}:${at}`, purpose: "mcp_sandbox", actor: "user:owner" }),
  );

const descriptorsOf = async (pid: number): Promise<string[]> => {
  const folder = `/proc/${pid}/fd`;
  return Promise.all((await readdir(folder)).map((name) => readlink(join(folder, name)).catch(() => "")));
};

/** A probe in a sandbox that lets it reach these hosts. */
async function probe(p: McpPlatform, ...hosts: string[]) {
  const sandbox = { read: [PROBE], write: [], network: { hosts } };
  const launch: Launch = { transport: "stdio", command: process.execPath, args: [PROBE], env: {}, sandbox };
  const server = await register(p, launch);
  expect(server).toMatchObject({ state: "READY", confinement: "sandboxed", lastError: null });
  const ask = async (name: string, given: Record<string, string | number> = {}) => {
    const tool = await toolNamed(p, server.id, name);
    return p.call(callTool, { params: { id: tool.id }, body: { arguments: given } });
  };
  const log = async (): Promise<string[]> => {
    const { items } = await p.call(listServerLogs, { params: { id: server.id } });
    return items.map(({ text }) => text);
  };
  return { server, ask, log };
}

describe("a sandbox with a list of hosts", () => {
  test("lets a server reach what is on it, through tunnels and plain requests", async () => {
    const p = await open();
    await allow("api.test");
    const { ask } = await probe(p, "*.other.test", `API.test:${port}`);
    expect((await ask("fetch", { url: `http://api.test:${port}/x?y` })).text).toBe('"GET /x?y"');
    expect((await ask("get", { url: `http://api.test:${port}/z` })).text).toBe('"200 GET /z"');
  });

  test("and nothing else: neither by name, nor past the proxy, nor the platform's own ports", async () => {
    const p = await open();
    const { ask, log, server } = await probe(p, `api.test:${trap.port}`);
    expect((await ask("fetch", { url: `http://other.test:${trap.port}/` })).isError).toBe(true);
    expect((await ask("get", { url: `http://127.0.0.1.nip.test:${trap.port}/` })).text).toContain("403");
    for (const host of ["127.0.0.1", "1.1.1.1", "api.test"]) {
      const said = await ask("connect", { host, port: trap.port });
      expect(said.text, host).toMatch(/ECONNREFUSED|ENETUNREACH|EAI_AGAIN|ENOTFOUND/);
    }
    expect(trap.accepted()).toBe(0);
    const text = `other.test:${trap.port} is not among the hosts that this server's sandbox lets it reach.`;
    await vi.waitFor(async () => expect(await log()).toContain(text));
    const refused = { action: "mcp_process.host_refused", target: `mcp_server:${server.id}`, outcome: "deny", reason: "host_not_listed" };
    expect(audited).toContainEqual(
      expect.objectContaining({ ...refused, details: expect.objectContaining({ at: `other.test:${trap.port}` }) }),
    );
    await p.call(stopMcpServer, { params: { id: server.id } });
    await vi.waitFor(async () => expect(await log()).toContain("connections out of the sandbox that were refused: 2"));
  });

  test("a listed name that leads inside stays closed until an owner opens it; metadata services always", async () => {
    const p = await open();
    const { ask, log } = await probe(p, `inside.test:${trap.port}`, `127.0.0.1:${trap.port}`, "meta.test", "169.254.169.254");
    for (const host of [`inside.test:${trap.port}`, "meta.test"]) {
      expect((await ask("get", { url: `http://${host}/` })).text).toMatch(/403 .* private or reserved network/);
      expect((await ask("fetch", { url: `http://${host}/` })).isError).toBe(true);
    }
    expect(trap.accepted()).toBe(0);
    expect(audited).toContainEqual(
      expect.objectContaining({
        action: "egress.denied",
        target: "address:meta.test:80",
        details: expect.objectContaining({ purpose: "mcp_sandbox" }),
      }),
    );
    await vi.waitFor(async () => expect((await log()).join("\n")).toMatch(/meta\.test:80 may not be called/));
  });

  test("a server is told of the proxy, and of nothing else that it had to do with", async () => {
    const p = await open();
    const { ask, server } = await probe(p, "example.org");
    const environment: Record<string, string> = JSON.parse((await ask("environment")).text);
    const own = ["AUTERITY_INSTANCE", "HOME", "LANG", "PATH", "PWD", "TMPDIR"];
    const names = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NODE_USE_ENV_PROXY", "NO_PROXY"];
    const lower = ["all_proxy", "http_proxy", "https_proxy", "no_proxy"];
    expect(Object.keys(environment).toSorted()).toEqual([...own, ...names, ...lower].toSorted());
    // bwrap, its first process, and the server, which has stdin, stdout and stderr of the platform and no channel.
    const pids = await processesOf(server.id);
    expect(pids).toHaveLength(3);
    const sockets = await Promise.all(pids.map(async (pid) => (await descriptorsOf(pid)).filter((to) => to.startsWith("socket:"))));
    for (const of of sockets) expect(of.length).toBeLessThanOrEqual(3);
  });
});

test("a command whose interpreter is not there inside says so, like anywhere else", async () => {
  const p = await open();
  const folder = await mkdtemp(join(tmpdir(), "auterity-hosts-"));
  const command = join(folder, "server");
  await writeFile(command, "#!/no/such/interpreter\n", { mode: 0o755 });
  const launch: Launch = {
    transport: "stdio",
    command,
    args: [],
    env: {},
    sandbox: { read: [], write: [], network: { hosts: ["example.org"] } },
  };
  const { id } = await register(p, launch);
  expect((await settled(p, id, "FAILED")).lastError).toMatchObject({ code: "mcp_command_not_found" });
  await rm(folder, { recursive: true });
});

describe("the end of a sandbox with a list of hosts", () => {
  const sandboxed = () => runaway("scatters", { sandbox: { read: [join(ROOT, "test")], write: [], network: { hosts: ["example.org"] } } });

  test("by a stop, and when its first process is killed, leaves no process", async () => {
    const p = await open();
    const server = sandboxed();
    const { id, pid } = await register(p, server.launch);
    await vi.waitFor(async () => expect((await server.processes()).length).toBeGreaterThan(6), { timeout: 10_000 });
    process.kill(pid ?? 0, "SIGKILL");
    await vi.waitFor(async () => expect((await p.call(getMcpServer, { params: { id } })).restarts).toBeGreaterThan(0), { timeout: 10_000 });
    expect((await settled(p, id, "READY")).pid).not.toBe(pid);
    await p.call(stopMcpServer, { params: { id } });
    expect(await server.processes()).toEqual([]);
    expect(await processesOf(id)).toEqual([]);
  });

  test("leaves nothing open in the platform, however often", async () => {
    const p = await open();
    const { server } = await probe(p, "example.org");
    const held = async (): Promise<number> => (await descriptorsOf(process.pid)).filter((to) => to.startsWith("socket:")).length;
    const before = await held();
    for (let i = 0; i < 10; i += 1) await p.call(restartMcpServer, { params: { id: server.id } });
    expect(await held()).toBeLessThan(before + 5);
  });
});

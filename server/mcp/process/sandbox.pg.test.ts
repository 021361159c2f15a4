import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Sandbox } from "#contract/mcp/confinement.ts";
import { getMcpServer, restartMcpServer } from "#contract/mcp/servers.ts";
import { callTool } from "#contract/mcp/tools.ts";
import { mcpPlatforms, processesOf, published, register, settled, toolNamed, type McpPlatform } from "#test/support/mcp/platform.ts";
import { runaway } from "#test/support/mcp/runaway.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { ROOT } from "#test/support/source-files.ts";

const PROBE = fileURLToPath(new URL("../../../test/support/mcp/probe-server.ts", import.meta.url));

let db: TestDatabase;
let folder: string;
const platforms = mcpPlatforms(() => db);

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  await platforms.close();
  await rm(folder, { recursive: true, force: true });
});
afterAll(() => db.close());

async function open(): Promise<McpPlatform> {
  folder = await realpath(await mkdtemp(join(tmpdir(), "auterity-sandbox-")));
  await mkdir(join(folder, "mine"));
  await writeFile(join(folder, "secret.txt"), "the-canary");
  await writeFile(join(folder, "mine", "open.txt"), "for all to read");
  return platforms.open();
}

const sandbox = (change: Partial<Sandbox> = {}): Sandbox => ({ read: [PROBE], write: [], network: "none", ...change });

/** A probe in its sandbox, and what each of its tools says. */
async function probe(p: McpPlatform, confined: Sandbox) {
  const launch = { transport: "stdio", command: process.execPath, args: [PROBE], env: { GREETING: "hello" }, sandbox: confined } as const;
  const server = await register(p, { ...launch, args: [PROBE] });
  expect(server).toMatchObject({ state: "READY", confinement: "sandboxed", lastError: null });
  const ask = async (name: string, given: Record<string, string | number> = {}) => {
    const tool = await toolNamed(p, server.id, name);
    return p.call(callTool, { params: { id: tool.id }, body: { arguments: given } });
  };
  return { server, ask };
}

describe("inside a sandbox", () => {
  test("the system can be read and not written; nothing else is visible but what is named", async () => {
    const p = await open();
    const { ask } = await probe(p, sandbox({ read: [PROBE, join(folder, "mine")] }));
    expect((await ask("read", { path: join(folder, "mine", "open.txt") })).text).toContain("for all to read");
    expect((await ask("write", { path: join(folder, "mine", "new.txt") })).text).toMatch(/EROFS|EACCES/);
    expect((await ask("read", { path: join(folder, "secret.txt") })).text).toContain("ENOENT");
    expect((await ask("read", { path: "/etc/shadow" })).text).toContain("ENOENT");
    expect((await ask("list", { path: "/usr/bin" })).isError).toBe(false);
    for (const path of ["/usr/bin/x", "/etc/x", "/x", "/dev/x", "/home/x"]) expect((await ask("write", { path })).isError, path).toBe(true);
    for (const path of ["/tmp/x", "/dev/shm/x", "x"]) expect((await ask("write", { path })).isError, path).toBe(false);
    // Of the processes of this machine it sees its own.
    const seen: string[] = JSON.parse((await ask("list", { path: "/proc" })).text);
    expect(seen.filter((name) => /^\d+$/.test(name)).length).toBeLessThan(5);
  });

  test("S-17: a folder that is named opens none whose name begins alike, and no link in it leads out", async () => {
    const p = await open();
    const mine = join(folder, "mine");
    await mkdir(`${mine}-evil`);
    await writeFile(join(`${mine}-evil`, "open.txt"), "not for it");
    await symlink(join(folder, "secret.txt"), join(mine, "link.txt"));
    await symlink("/etc", join(mine, "etc"));
    const { ask } = await probe(p, sandbox({ read: [PROBE], write: [mine] }));
    expect((await ask("read", { path: join(mine, "open.txt") })).text).toContain("for all to read");
    for (const path of [
      join(`${mine}-evil`, "open.txt"),
      `${mine}/../mine-evil/open.txt`,
      `${mine}/../secret.txt`,
      join(mine, "link.txt"),
      join(mine, "etc", "shadow"),
    ])
      expect((await ask("read", { path })).text, path).toContain("ENOENT");
    for (const path of [join(`${mine}-evil`, "new.txt"), join(mine, "link.txt"), join(mine, "etc", "new.txt")])
      await ask("write", { path });
    expect(await readdir(`${mine}-evil`)).toEqual(["open.txt"]);
    expect(await readFile(join(folder, "secret.txt"), "utf8")).not.toContain("written");
    await expect(readFile("/etc/new.txt")).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a link that it leaves behind leads its next process nowhere", async () => {
    const p = await open();
    const mine = join(folder, "mine");
    const { server, ask } = await probe(p, sandbox({ read: [PROBE, join(mine, "open.txt")], write: [mine] }));
    const params = { id: server.id };
    // What the sandbox mounts must not lie where the server writes.
    await ask("link", { path: "/tmp/.shm", to: folder });
    await p.call(restartMcpServer, { params });
    expect((await ask("read", { path: "/dev/shm/secret.txt" })).text).toContain("ENOENT");
    // What is named below a folder that may be written may have become a link.
    expect((await ask("link", { path: join(mine, "open.txt"), to: "../secret.txt" })).isError).toBe(true);
    await rm(join(mine, "open.txt"));
    await symlink("../secret.txt", join(mine, "open.txt"));
    await expect(p.call(restartMcpServer, { params })).rejects.toMatchObject({
      code: "mcp_sandbox_unavailable",
      message: expect.stringContaining(`${join(mine, "open.txt")} leads out of ${mine}`),
    });
    expect(await processesOf(server.id)).toEqual([]);
  });

  test("what may be written can be, and the platform's own folder is hidden even below what may be read", async () => {
    const p = await open();
    const { ask } = await probe(p, sandbox({ read: [PROBE, tmpdir()], write: [join(folder, "mine")] }));
    expect((await ask("write", { path: join(folder, "mine", "new.txt") })).text).toContain("done");
    expect(await readFile(join(folder, "mine", "new.txt"), "utf8")).toBe("written");
    expect((await ask("write", { path: join(folder, "secret.txt") })).isError).toBe(true);
    const { cwd }: { cwd: string } = JSON.parse((await ask("self")).text);
    const dataDir = cwd.slice(0, cwd.indexOf("/mcp/"));
    await writeFile(join(dataDir, "master.key"), "the-canary");
    expect(JSON.parse((await ask("list", { path: dataDir })).text)).toEqual(["mcp"]);
    expect((await ask("write", { path: join(dataDir, "x") })).isError).toBe(true);
  });

  test("there is no network, unless the launch says so", async () => {
    const p = await open();
    const listening = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
    await once(listening, "listening");
    const address = listening.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const offline = await probe(p, sandbox());
    expect((await offline.ask("connect", { port })).text).toMatch(/ECONNREFUSED|ENETUNREACH/);
    const online = await probe(p, sandbox({ network: "all" }));
    expect((await online.ask("connect", { port })).text).toContain("connected");
    listening.close();
  });

  test("S-10: the environment is what was registered, with a home and a temporary folder of its own", async () => {
    const p = await open();
    const { ask, server } = await probe(p, sandbox());
    const environment: Record<string, string> = JSON.parse((await ask("environment")).text);
    expect(Object.keys(environment).toSorted()).toEqual(["AUTERITY_INSTANCE", "GREETING", "HOME", "LANG", "PATH", "PWD", "TMPDIR"]);
    expect(environment).toMatchObject({ HOME: expect.stringContaining(`/mcp/${server.id}/home`), TMPDIR: "/tmp" });
  });

  test("a published server works", async () => {
    const p = await open();
    const mine = join(folder, "mine");
    const launch = { ...published("filesystem", mine), sandbox: sandbox({ read: [join(ROOT, "node_modules")], write: [mine] }) };
    const server = await register(p, launch);
    expect(server).toMatchObject({ state: "READY", confinement: "sandboxed" });
    const list = await toolNamed(p, server.id, "list_directory");
    expect((await p.call(callTool, { params: { id: list.id }, body: { arguments: { path: mine } } })).text).toContain("open.txt");
    const written = await toolNamed(p, server.id, "write_file");
    const file = { path: join(mine, "brief.md"), content: "short" };
    expect((await p.call(callTool, { params: { id: written.id }, body: { arguments: file } })).isError).toBe(false);
    expect(await readFile(file.path, "utf8")).toBe("short");
    const read = await toolNamed(p, server.id, "read_text_file");
    const outside = await p.call(callTool, { params: { id: read.id }, body: { arguments: { path: join(folder, "secret.txt") } } });
    expect(outside).toMatchObject({ isError: true, text: expect.not.stringContaining("canary") });
  });
});

describe("the sandbox's processes", () => {
  test("none is left when the sandbox itself is killed", async () => {
    const p = await open();
    const server = runaway("scatters", { sandbox: sandbox({ read: [join(ROOT, "test")] }) });
    const { id, pid } = await register(p, server.launch);
    await vi.waitFor(async () => expect((await server.processes()).length).toBeGreaterThan(6), { timeout: 10_000 });
    process.kill(pid ?? 0, "SIGKILL");
    await vi.waitFor(async () => expect((await p.call(getMcpServer, { params: { id } })).restarts).toBeGreaterThan(0), { timeout: 10_000 });
    const after = await settled(p, id, "READY");
    expect(after.pid).not.toBe(pid);
    await p.mcp.stop();
    expect(await server.processes()).toEqual([]);
    expect(await processesOf(id)).toEqual([]);
  });

  test.each([
    ["there is no bwrap", { path: "/nowhere" }, {}, "no bwrap in /nowhere"],
    ["a path does not exist", {}, { read: ["/no/such/path"] }, "/no/such/path does not exist"],
  ])("without the sandbox that it asks for, a server does not start: %s", async (_why, deps, change, said) => {
    folder = await mkdtemp(join(tmpdir(), "auterity-sandbox-"));
    const p = await platforms.open(deps);
    const server = runaway("spins", { sandbox: sandbox(change) });
    const { id } = await register(p, server.launch);
    const failed = await settled(p, id, "FAILED");
    expect(failed).toMatchObject({ confinement: "sandboxed", lastError: { code: "mcp_sandbox_unavailable" } });
    expect(failed.lastError?.message).toContain(said);
    expect(await server.processes()).toEqual([]);
  });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { runaway } from "#test/support/mcp/runaway.ts";
import { createConfine } from "./sandbox.ts";
import { serverFolders } from "./server-folders.ts";
import { createSpawn, type ServerProcess } from "./server-process.ts";
import { createTreeWatch } from "./tree-watch.ts";

const TIMINGS = { stopEofMs: 100, stopTermMs: 100, stopKillMs: 5_000, watchMs: 60_000, cpuWindowMs: 60_000, diskLookMs: 60_000 };

let dataDir: string;
let server: ReturnType<typeof runaway>;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "auterity-process-"));
});
afterEach(async () => {
  await server.kill();
  await rm(dataDir, { recursive: true, force: true });
});

/** Without control groups and without anybody looking before the end: what is left is what members inherit. */
async function start(mode: string, launch: Parameters<typeof runaway>[1] = {}): Promise<ServerProcess> {
  server = runaway(mode, launch);
  const watch = createTreeWatch(TIMINGS);
  const path = "/usr/bin:/bin";
  const spawn = createSpawn({ timings: TIMINGS, watch, confine: createConfine({ dataDir, path }), findParents: async () => [] });
  const folders = await serverFolders(dataDir, "server");
  const { command, args, caps, sandbox } = server.launch;
  const id = newId();
  const process = await spawn({
    id,
    file: command,
    args,
    env: { PATH: path },
    cwd: folders.work,
    folders,
    marker: `server:${id}`,
    caps,
    sandbox,
    proxy: undefined,
  });
  process.child.stdin.write('{"id":1,"method":"tools/list"}\n');
  return process;
}

describe("without control groups", () => {
  test.each([
    ["scatters", 6],
    ["wanders", 2],
    ["forks", 60],
  ])(
    "the whole tree of a server that %s ends",
    async (mode, least) => {
      const process = await start(mode);
      await vi.waitFor(async () => expect((await server.processes()).length).toBeGreaterThanOrEqual(least), {
        timeout: 10_000,
        interval: 20,
      });
      expect(await process.stop()).toBe(0);
      expect(await server.processes()).toEqual([]);
    },
    30_000,
  );

  test("also when the first process was killed and its grandchildren are orphans", async () => {
    const process = await start("scatters");
    await vi.waitFor(async () => expect((await server.processes()).length).toBeGreaterThanOrEqual(6), { timeout: 10_000, interval: 20 });
    process.child.kill("SIGKILL");
    await process.exited;
    expect(await process.stop()).toBe(0);
    expect(await server.processes()).toEqual([]);
  });
});

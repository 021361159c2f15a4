import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { getMcpServer, restartMcpServer, stopMcpServer } from "#contract/mcp/servers.ts";
import { eventually } from "#test/support/eventually.ts";
import { hostile, mcpPlatforms, processesOf, register, stepCall, type McpPlatform } from "#test/support/mcp/platform.ts";
import { runaway } from "#test/support/mcp/runaway.ts";
import { PlatformProcess } from "#test/support/platform.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { familyOf, processes, survivorsOf } from "#test/support/processes.ts";
import { SEEDS } from "#test/support/random.ts";
import { ROOT } from "#test/support/source-files.ts";

const IS_FULL = SEEDS.length > 1;
const CYCLES = IS_FULL ? 1_000 : 50;
/** More than one takes on a slow machine. */
const CYCLE_MS = 10_000;
const MIB = 1024 * 1024;

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(() => platforms.close());
afterAll(() => db.close());

describe("S-29: the platform is killed while 20 servers with grandchildren run", () => {
  const CHILDREN = 20;
  const servers = Array.from({ length: CHILDREN }, (_, i) => {
    const network = i % 10 === 4 ? ("none" as const) : { hosts: ["example.org"] };
    return runaway("scatters", i % 5 === 4 ? { sandbox: { read: [`${ROOT}/test`], write: [], network } } : {});
  });
  afterAll(async () => {
    for (const server of servers) await server.kill();
  });

  test("after the next start none of them is left, though some have no environment, session or parent", async () => {
    const platform = new PlatformProcess();
    try {
      await platform.start();
      const isUp = async (launch: (typeof servers)[number]["launch"], i: number): Promise<string> => {
        const { id, state, lastError } = await platform.client.createMcpServer({ body: { name: `runaway-${i}`, launch } });
        expect({ state, lastError }).toEqual({ state: "READY", lastError: null });
        return id;
      };
      const ids: string[] = [];
      for (let i = 0; i < CHILDREN; i += 5) {
        ids.push(...(await Promise.all(servers.slice(i, i + 5).map(({ launch }, at) => isUp(launch, i + at)))));
      }
      const tokens = servers.map(({ launch }) => launch.args.at(-1) ?? "");
      const theirs = async () => (await processes()).filter(({ command }) => tokens.some((token) => command.includes(token)));
      const before = await eventually(theirs, (found) => found.length >= CHILDREN * 6);
      await platform.end("SIGKILL");
      await sleep(1_000);
      const orphans = await survivorsOf(before);
      // Without a mark in the environment: only what is in their limits tells whose they are.
      expect(orphans.length).toBeGreaterThan(CHILDREN);
      await platform.start();
      const left = await eventually(
        () => survivorsOf(before),
        (found) => found.length === 0,
      );
      expect(left).toEqual([]);
      process.stdout.write(
        `S-29: ${before.length} processes, ${orphans.length} orphans after kill -9, ${left.length} after the next start\n`,
      );
      await Promise.all(ids.map((id) => platform.client.stopMcpServer({ params: { id } })));
      expect(await theirs()).toEqual([]);
    } finally {
      await platform.dispose();
    }
  });
});

describe("soak", () => {
  type Census = { processes: number; descriptors: number; heapMib: number };

  async function takeCensus(): Promise<Census> {
    const family = await familyOf(process.pid);
    const descriptors = (await readdir("/proc/self/fd")).length;
    return { processes: family.length, descriptors, heapMib: Math.round(process.memoryUsage().heapUsed / MIB) };
  }

  /** Ends it in one of the ways in which servers end; resolves when it is up again. */
  async function cycle(p: McpPlatform, id: string, i: number): Promise<void> {
    const { pid, restarts } = await p.call(getMcpServer, { params: { id } });
    if (i % 3 === 0) {
      await p.call(restartMcpServer, { params: { id } });
    } else {
      process.kill(pid ?? 0, i % 3 === 1 ? "SIGKILL" : "SIGTERM");
      await eventually(
        () => p.call(getMcpServer, { params: { id } }),
        (now) => now.state === "READY" && now.restarts > restarts,
      );
    }
    expect((await processesOf(id)).length).toBe(2);
  }

  test(
    `${CYCLES} starts, kills and restarts with grandchildren leave processes, descriptors and memory where they were`,
    async () => {
      const p = await platforms.open({ timings: { stopEofMs: 100, stopTermMs: 100, stableAfterMs: 1, logFlushMs: 200 } });
      const { id } = await register(p, hostile("grandchild"));
      for (let i = 0; i < 6; i += 1) await cycle(p, id, i);
      const before = await takeCensus();
      for (let i = 0; i < CYCLES; i += 1) await cycle(p, id, i);
      const after = await takeCensus();
      process.stdout.write(`soak: ${CYCLES} cycles, before ${JSON.stringify(before)}, after ${JSON.stringify(after)}\n`);
      expect(after.processes).toBe(before.processes);
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 5);
      expect(after.heapMib).toBeLessThan(before.heapMib + 64);
      await p.call(stopMcpServer, { params: { id } });
      expect(await processesOf(id)).toEqual([]);
    },
    CYCLES * CYCLE_MS,
  );

  test("50 servers at once start, list, answer and stop", async () => {
    const SERVERS = 50;
    const p = await platforms.open({ timings: { probeMs: 30_000, handshakeMs: 60_000, listMs: 60_000 } });
    const servers = await Promise.all(Array.from({ length: SERVERS }, () => register(p, hostile())));
    expect(servers.map(({ state }) => state)).toEqual(servers.map(() => "READY"));
    expect(new Set(servers.map(({ toolCount }) => toolCount))).toEqual(new Set([servers[0]?.toolCount]));
    const answers = await Promise.all(
      servers.map(({ name }, i) => {
        const call = stepCall(db, { server: name, tool: "add", arguments: { a: i, b: 1 } }, { timeoutMs: 30_000 });
        return p.mcp.executeTool.run(call);
      }),
    );
    expect(answers).toMatchObject(servers.map((_, i) => ({ text: String(i + 1) })));
    await Promise.all(servers.map(({ id }) => p.call(stopMcpServer, { params: { id } })));
    const left = await Promise.all(servers.map(({ id }) => processesOf(id)));
    expect(left.flat()).toEqual([]);
    process.stdout.write(`${SERVERS} servers at once: ${answers.length} answers, ${left.flat().length} processes left\n`);
  });
});

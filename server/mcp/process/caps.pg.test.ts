import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "#contract/limits.ts";
import { getMcpServer, stopMcpServer } from "#contract/mcp/servers.ts";
import { listServerLogs } from "#contract/mcp/logs.ts";
import { liveness } from "#test/support/liveness.ts";
import { neighbourOf } from "#test/support/mcp/neighbour.ts";
import { mcpPlatforms, register, settled } from "#test/support/mcp/platform.ts";
import { runaway } from "#test/support/mcp/runaway.ts";
import { testDatabase, type TestDatabase } from "#test/support/postgres.ts";

const MIB = 1024 * 1024;
/** A failure is final at once, so that nothing starts a second time. */
const STRICT = {
  quickFailures: 1,
  watchMs: 100,
  diskLookMs: 100,
  cpuWindowMs: 1_000,
  restart: { backoffMs: 10, factor: 1, maxMs: 10, jitter: 0 },
};

let db: TestDatabase;
const platforms = mcpPlatforms(() => db);
const started: ReturnType<typeof runaway>[] = [];

beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  await platforms.close();
  for (const server of started.splice(0)) await server.kill();
});
afterAll(() => db.close());

function launchOf(...given: Parameters<typeof runaway>) {
  const server = runaway(...given);
  started.push(server);
  return server;
}

describe("a server that uses more than it may is ended with its whole tree", () => {
  test.each([
    ["S-22 processes", "forks", { processes: 40 }, /used \d+ processes, and 40 processes are allowed/],
    [
      "S-22 processes, of a server that sets no cap",
      "forks",
      {},
      new RegExp(`processes, and ${LIMITS.mcpProcesses} processes are allowed`),
    ],
    ["S-23 memory", "allocates", { memoryBytes: 300 * MIB }, /used \d+ MiB of memory, and 300 MiB/],
    ["S-23 processor", "spins", { cpuPercent: 10 }, /used \d+ % of a core, and 10 % of a core/],
    ["S-23 disk", "fills", { diskBytes: 24 * MIB }, /used \d+ MiB in its folders, and 24 MiB/],
  ] as const)("%s: %s", async (_row, mode, caps, said) => {
    const p = await platforms.open({ timings: STRICT });
    const server = launchOf(mode, { caps });
    const alive = await liveness(await neighbourOf(p, db));
    const { id } = await register(p, server.launch);
    let most = 0;
    const fails = async (): Promise<void> => {
      most = Math.max(most, (await server.processes()).length);
      expect((await p.call(getMcpServer, { params: { id } })).state).toBe("FAILED");
    };
    await alive(() => vi.waitFor(fails, { timeout: 30_000, interval: 50 }));
    const { lastError } = await p.call(getMcpServer, { params: { id } });
    expect(lastError).toMatchObject({ code: "mcp_over_limit", message: expect.stringMatching(said) });
    expect(await server.processes()).toEqual([]);
    // Where control groups count, not even for a moment more than they let through; elsewhere what was forked between two looks.
    expect(most).toBeLessThan(2_048);
  });
});

describe("what the system itself refuses", () => {
  test.each([
    ["S-23 memory that is reserved faster than anybody looks", "reserves", { memoryBytes: 64 * MIB }],
    ["S-23 one file that does not end", "appends", { fileBytes: MIB }],
  ] as const)("%s", async (_row, mode, caps) => {
    const p = await platforms.open({ timings: { ...STRICT, watchMs: 5_000 } });
    const server = launchOf(mode, { caps });
    const { id } = await register(p, server.launch);
    const { lastError } = await settled(p, id, "FAILED");
    expect(["mcp_exited", "mcp_over_limit"]).toContain(lastError?.code);
    expect(await server.processes()).toEqual([]);
  });

  test("S-23 one file that does not end, also in a folder that is not the server's own", async () => {
    const cwd = await realpath(await mkdtemp(join(tmpdir(), "aut-cwd-")));
    const p = await platforms.open({ timings: STRICT });
    const { launch, processes } = launchOf("appends", { cwd, caps: { fileBytes: MIB } });
    const { id } = await register(p, launch);
    expect((await settled(p, id, "FAILED")).lastError?.code).toBe("mcp_exited");
    expect([await processes(), (await stat(join(cwd, "one-file"))).size]).toEqual([[], MIB]);
    await rm(cwd, { recursive: true });
  });
});

test("mcpOpenFiles, mcpFileBytes: a server that sets no caps gets as much and not one more, and goes on", async () => {
  const p = await platforms.open({ timings: { ...STRICT, watchMs: 5_000 } });
  const { launch } = launchOf("hoards");
  const { id } = await register(p, launch);
  const said = await vi.waitFor(
    async () => {
      const { items } = await p.call(listServerLogs, { params: { id }, query: { limit: 200 } });
      const [, found] = items.map(({ text }) => /^hoarded (.*)$/.exec(text)).find((match) => match !== null) ?? [];
      if (found === undefined) throw new Error("it has said nothing yet");
      return found;
    },
    { timeout: 20_000, interval: 50 },
  );
  expect(JSON.parse(said)).toEqual({ openFiles: LIMITS.mcpOpenFiles, noMore: "EMFILE", bytes: LIMITS.mcpFileBytes, noLonger: "EFBIG" });
  expect((await p.call(getMcpServer, { params: { id } })).state).toBe("READY");
});

describe("whole trees end", () => {
  test.each(["scatters", "wanders"])(
    "also of a server that %s its grandchildren, without environment, session or parents",
    async (mode) => {
      const p = await platforms.open({ timings: { ...STRICT, watchMs: 60_000 } });
      const server = launchOf(mode);
      const { id } = await register(p, server.launch);
      await vi.waitFor(async () => expect((await server.processes()).length).toBeGreaterThan(mode === "scatters" ? 5 : 1), {
        timeout: 10_000,
      });
      // Those who have lost the environment are there too.
      expect(await p.call(stopMcpServer, { params: { id } })).toMatchObject({ state: "STOPPED" });
      expect(await server.processes()).toEqual([]);
    },
  );
});

describe("floods of output", () => {
  test("S-28: stderr is read at a bounded rate, lines beyond are counted, and memory stays where it was", async () => {
    const p = await platforms.open({ timings: STRICT });
    const server = launchOf("shouts");
    const alive = await liveness(await neighbourOf(p, db));
    const { id } = await register(p, server.launch);
    const before = process.memoryUsage().rss;
    const said = async (q?: string) => (await p.call(listServerLogs, { params: { id }, query: { q, limit: 200 } })).items;
    const dropped = async (): Promise<number> =>
      (await said("lines dropped")).reduce((sum, { text }) => sum + Number(/^(\d+) lines dropped$/.exec(text)?.[1] ?? 0), 0);
    const isHeard = async (): Promise<void> => expect(await dropped()).toBeGreaterThan(1_000);
    await alive(() => vi.waitFor(isHeard, { timeout: 30_000, interval: 200 }));
    expect((process.memoryUsage().rss - before) / MIB).toBeLessThan(100);
    expect(await p.call(stopMcpServer, { params: { id } })).toMatchObject({ state: "STOPPED" });
    await isHeard();
    const line = (await said("xxx")).find(({ stream, text }) => stream === "stderr" && text.startsWith("xxx"));
    expect(line?.text).toBe(`${"x".repeat(200)}\\x1b[2J\\x00\ufffd\ufffd(`);
  });

  test.each([
    ["babbles", "mcp_output_invalid"],
    ["drones", "mcp_message_too_large"],
  ])("a server that %s on stdout is given up as %s", async (mode, code) => {
    const p = await platforms.open({ timings: STRICT });
    const server = launchOf(mode);
    const { id } = await register(p, server.launch);
    expect((await settled(p, id, "FAILED")).lastError).toMatchObject({ code });
    expect(await server.processes()).toEqual([]);
  });
});

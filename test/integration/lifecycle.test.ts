import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { afterEach, describe, expect, inject, test } from "vitest";
import { createClient } from "#sdk/client.ts";
import { readConfig, startPlatform } from "#server/main.ts";
import { withDatabase, withLogin } from "#server/postgres/index.ts";
import { eventually } from "#test/support/eventually.ts";
import { PlatformProcess, freePort } from "#test/support/platform.ts";
import { rolePassword, TEMPLATE } from "#test/support/postgres-names.ts";
import { familyOf, processesAbout, survivorsOf, type ProcessEntry } from "#test/support/processes.ts";
import { ROOT } from "#test/support/source-files.ts";
import { newDataDir } from "#test/support/started-platform.ts";
import { rm } from "node:fs/promises";

const started: PlatformProcess[] = [];
function newPlatform(env: Record<string, string> = {}): PlatformProcess {
  const platform = new PlatformProcess(env);
  started.push(platform);
  return platform;
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((platform) => platform.dispose()));
});

const node = (...args: string[]) => ({ transport: "stdio" as const, command: process.execPath, args, env: {} });
/** Starts a child that leaves the process group, lets go of the pipes and does not listen to SIGTERM. */
const RUNAWAY = `
  require("node:child_process").spawn(process.execPath, ["-e", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"],
    { detached: true, stdio: "ignore" }).unref();
  import(${JSON.stringify(join(ROOT, "test/support/mcp/ledger-server.ts"))});
`;
async function withServers(platform: PlatformProcess): Promise<void> {
  await platform.client.createMcpServer({ body: { name: "ledger", launch: node(join(ROOT, "test/support/mcp/ledger-server.ts")) } });
  const { state } = await platform.client.createMcpServer({ body: { name: "runaway", launch: node("-e", RUNAWAY) } });
  expect(state).toBe("READY");
}

const running = (processes: readonly ProcessEntry[], program: string): number =>
  processes.filter(({ command }) => command.includes(program)).length;

describe("one data dir, one port, one platform", () => {
  test("a second one on the same data dir is refused, and the first goes on", async () => {
    const first = newPlatform();
    await first.start();
    const second = newPlatform({ AUTERITY_DATA_DIR: first.dataDir });
    await expect(second.start()).rejects.toThrow(
      /data_dir_in_use: Another instance \(process \d+\) uses this data dir.*\nStop the other instance, or choose another AUTERITY_DATA_DIR\./,
    );
    expect(await second.end("SIGTERM")).toBe(1);
    expect(await first.client.readyz()).toMatchObject({ status: "ready" });
  });

  test("a second one on the same port is refused, and leaves no process", async () => {
    const first = newPlatform();
    await first.start();
    const second = newPlatform({ AUTERITY_PORT: String(first.port) });
    // Asking whether the second is ready would be answered by the first.
    second.port = await freePort();
    await expect(second.start()).rejects.toThrow(/port_in_use: .*\n.*AUTERITY_PORT/);
    expect(await second.end("SIGTERM")).toBe(1);
    expect(await processesAbout(second.dataDir)).toEqual([]);
    expect(await first.client.readyz()).toMatchObject({ status: "ready" });
  });
});

describe("an end", () => {
  test("by SIGTERM leaves no process, neither of PostgreSQL nor of MCP servers, however far they have run away", async () => {
    const platform = newPlatform();
    await platform.start();
    await withServers(platform);
    const family = await familyOf(platform.pid);
    const about = await processesAbout(platform.dataDir);
    expect(running(family, "postgres")).toBeGreaterThan(3);
    expect(running(family, "ledger-server")).toBe(2);
    expect(about.length).toBeGreaterThan(5);
    expect(await platform.end("SIGTERM")).toBe(0);
    expect(await survivorsOf([...family, ...about])).toEqual([]);
    expect(await processesAbout(platform.dataDir)).toEqual([]);
  });

  test("is not held up by clients that stay: a silent socket, an open stream", async () => {
    const platform = newPlatform();
    await platform.start();
    const silent = connect(platform.port, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent, "connect");
    const { client } = platform;
    const { headers } = await fetch(`${platform.url}/api/v1/events`, { headers: { authorization: "Bearer an-owner-token-for-tests" } });
    expect(headers.get("content-type")).toContain("text/event-stream");
    expect(await client.healthz()).toEqual({ status: "ok" });
    expect(await platform.end("SIGTERM")).toBe(0);
    silent.destroy();
  });

  test("by SIGKILL with servers running is cleared up by the next start, and everything is there again", async () => {
    const platform = newPlatform();
    await platform.start();
    await withServers(platform);
    const before = [...(await familyOf(platform.pid)), ...(await processesAbout(platform.dataDir))];
    await platform.end("SIGKILL");
    expect(running(await survivorsOf(before), "postgres")).toBeGreaterThan(0);

    await platform.start();
    await eventually(
      () => survivorsOf(before),
      (survivors) => survivors.length === 0,
    );
    await eventually(
      () => platform.client.listMcpServers({ query: {} }),
      ({ items }) => items.every(({ state }) => state === "READY"),
    );
    expect(await platform.end("SIGTERM")).toBe(0);
    expect(await processesAbout(platform.dataDir)).toEqual([]);
  });
});

describe("a start", () => {
  test("twice in a row finds the same workspace, the same work and the same owner's token", async () => {
    const platform = newPlatform({ AUTERITY_BOOTSTRAP_TOKEN: "" });
    await platform.start();
    const token = readFileSync(join(platform.dataDir, "owner-token"), "utf8");
    const owner = () => createClient({ url: platform.url, token });
    const definition = {
      version: 2,
      nodes: [
        { id: "start", type: "start" },
        { id: "end", type: "end" },
      ],
      edges: [{ id: "e", source: "start", target: "end" }],
    };
    const workflow = await owner().createWorkflow({ body: { name: "Kept", definition } });
    expect(await platform.end("SIGTERM")).toBe(0);
    await platform.start();
    expect(readFileSync(join(platform.dataDir, "owner-token"), "utf8")).toBe(token);
    expect(await owner().getWorkflow({ params: { id: workflow.id } })).toMatchObject({ name: "Kept" });
    const run = await owner().startRun({ params: { id: workflow.id }, body: {} });
    expect(await owner().waitForRun(run.id)).toMatchObject({ status: "succeeded" });
  });

  test("says which setting it does not know and what was meant, and shows no secret of its own", async () => {
    const platform = newPlatform({ AUTERITY_PROT: "4600", AUTERITY_ENCRYPTION_KEY: "a-passphrase-of-this-test" });
    await platform.start();
    expect(platform.output).toContain("AUTERITY_PROT is not a setting; the nearest is AUTERITY_PORT.");
    for (const secret of ["an-owner-token-for-tests", "a-passphrase-of-this-test"]) expect(platform.output).not.toContain(secret);
  });

  test.each(["0.0.0.0", "::"])("on %s without an account is refused before anything is started", async (host) => {
    const platform = newPlatform({ AUTERITY_HOST: host, AUTERITY_BOOTSTRAP_TOKEN: "" });
    await expect(platform.start()).rejects.toThrow(/config_invalid: AUTERITY_HOST.*\n.*AUTERITY_BOOTSTRAP_TOKEN/);
    expect(await platform.end("SIGTERM")).toBe(1);
  });

  test.each([
    [{ AUTERITY_PORT: "http" }, /config_invalid: AUTERITY_PORT/],
    [{ AUTERITY_ROLE: "driver" }, /config_invalid: AUTERITY_ROLE: expected `all`/],
    [{ AUTERITY_ROLE: "worker" }, /config_invalid: DATABASE_URL: expected with AUTERITY_ROLE=worker[^]*\nGive DATABASE_URL and/],
    [{ AUTERITY_BOOTSTRAP_TOKEN: "short" }, /config_invalid: AUTERITY_BOOTSTRAP_TOKEN: expected at least 16/],
    [{ AUTERITY_ENCRYPTION_KEY_FILE: "/no/such/file" }, /config_invalid: AUTERITY_ENCRYPTION_KEY_FILE: cannot read/],
    [{ DATABASE_URL: "mysql://localhost/x" }, /config_invalid: DATABASE_URL: expected postgres/],
  ])("with %o names what is wrong with it", async (env, message) => {
    const platform = newPlatform(env);
    platform.port = await freePort();
    await expect(platform.start()).rejects.toThrow(message);
    expect(await platform.end("SIGTERM")).toBe(1);
  });
});

describe("a DATABASE_URL that leads nowhere", () => {
  async function refusal(databaseUrl: string): Promise<unknown> {
    const dataDir = await newDataDir();
    try {
      const config = readConfig({ AUTERITY_DATA_DIR: dataDir, AUTERITY_PORT: "0", AUTERITY_LOG_LEVEL: "error", DATABASE_URL: databaseUrl });
      return await startPlatform(config).then(
        (platform) => platform.stop(),
        (error: unknown) => error,
      );
    } finally {
      await rm(dataDir, { recursive: true });
    }
  }

  test("is explained: nobody there, no such database, a wrong password, a login that may too little", async () => {
    const url = inject("postgresUrl");
    const closed = `postgresql://nobody:secret-word@127.0.0.1:${await freePort()}/x`;
    const refusals = [
      await refusal(closed),
      await refusal(withDatabase(url, "no_such_database")),
      await refusal(withLogin(url, "auterity_admin", "secret-word")),
      await refusal(withLogin(withDatabase(url, TEMPLATE), "auterity_api", rolePassword("auterity_api"))),
    ];
    expect(refusals).toMatchObject([
      { code: "database_unavailable", remedy: expect.any(String) },
      { code: "config_invalid", remedy: expect.any(String) },
      { code: "config_invalid", remedy: expect.any(String) },
      { code: "config_invalid", remedy: expect.stringContaining("CREATEROLE") },
    ]);
    for (const error of refusals) expect(String(error)).not.toContain("secret-word");
  });
});

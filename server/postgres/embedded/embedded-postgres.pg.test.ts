import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AppError } from "#server/kernel/errors.ts";
import { silentLog, type Log } from "#server/kernel/log.ts";
import { connect } from "../connection.ts";
import { installedBinaries } from "./binaries.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded-postgres.ts";
import { identify, processesWorkingIn, waitUntil } from "./process-identity.ts";
import { launch, prepareCluster, type StartOptions } from "./start.ts";

const isRoot = process.getuid?.() === 0;

describe("the embedded PostgreSQL", () => {
  let base: string;
  let dataDir: string;
  const running: EmbeddedPostgres[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "auterity-embedded-"));
    await chmod(base, 0o711);
    dataDir = join(base, "data");
    await mkdir(dataDir, { mode: 0o711 });
  });
  afterEach(async () => {
    for (const postgres of running.splice(0)) await postgres.stop();
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await rm(base, { recursive: true, force: true });
  });

  const options = (more: Partial<StartOptions> = {}): StartOptions => ({
    dataDir,
    log: silentLog,
    superuserPassword: "secret",
    durable: false,
    ...more,
  });
  const start = async (more: Partial<StartOptions> = {}): Promise<EmbeddedPostgres> => {
    const postgres = await startEmbeddedPostgres(options(more));
    running.push(postgres);
    return postgres;
  };
  const query = async (postgres: EmbeddedPostgres, sql: string): Promise<unknown[]> => {
    const client = await connect(postgres.url());
    try {
      const { rows } = await client.query({ text: sql, rowMode: "array" });
      return rows.flat();
    } finally {
      await client.end();
    }
  };
  /** A platform process that does nothing but start the server; resolves with what it prints. */
  const startInChild = async (): Promise<{ child: ChildProcess; pid: number }> => {
    const program = `
      const { startEmbeddedPostgres } = await import(${JSON.stringify(join(import.meta.dirname, "embedded-postgres.ts"))});
      const { silentLog } = await import(${JSON.stringify(join(import.meta.dirname, "../../kernel/log.ts"))});
      const postgres = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log: silentLog, superuserPassword: "secret" });
      process.stdout.write(String(postgres.pid));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const [chunk] = await once(child.stdout, "data");
    return { child, pid: Number(String(chunk)) };
  };

  test("keeps its data over a stop, lets in nobody without the password, and leaves no process", async () => {
    const first = await start();
    await query(first, "create table kept as select 7 as n");
    const [checksums] = await query(first, "show data_checksums");
    const settings = await query(
      first,
      "select setting from pg_settings where name in ('listen_addresses', 'unix_socket_directories') order by name",
    );
    await expect(connect(first.url("auterity_admin", "guess"))).rejects.toMatchObject({ code: "database_unavailable" });
    await first.stop();
    await expect(first.exited).resolves.toMatchObject({ expected: true, code: 0 });
    expect(await processesWorkingIn(first.clusterDir)).toEqual([]);
    expect(await readdir(dirname(first.clusterDir))).not.toContain("postmaster.json");

    const second = await start();
    expect(checksums).toBe("on");
    expect(settings).toEqual(["127.0.0.1", ""]);
    expect(await query(second, "select n from kept")).toEqual([7]);
    expect(second.clusterDir).toBe(first.clusterDir);
  });

  test("runs in a session of its own, not as root, with nothing of our environment, in a folder closed to others", async () => {
    const postgres = await start();
    const fields = (await readFile(`/proc/${postgres.pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
    const environment = (await readFile(`/proc/${postgres.pid}/environ`, "utf8")).split("\0").map((entry) => entry.split("=")[0]);
    const folder = await stat(postgres.clusterDir);
    const owner = await stat(`/proc/${postgres.pid}`);
    expect({ group: Number(fields[2]), session: Number(fields[3]) }).toEqual({ group: postgres.pid, session: postgres.pid });
    expect(environment.filter((name) => name && !/^(LC_ALL|TZ|PG.*)$/.test(name))).toEqual([]);
    expect(folder.mode & 0o077).toBe(0);
    expect(owner.uid === 0).toBe(false);
  });

  test("ends the server that a killed platform left behind, and goes on with its data", async () => {
    const { child, pid } = await startInChild();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await identify(pid)).toBeDefined();

    const postgres = await start();
    expect(await identify(pid)).toBeUndefined();
    expect(await query(postgres, "select 1")).toEqual([1]);
  });

  test("finds the orphan by the server's own pid file when our record is lost", async () => {
    const { child, pid } = await startInChild();
    child.kill("SIGKILL");
    await once(child, "exit");
    await rm(join(dataDir, "postgres", "postmaster.json"));

    await start();
    expect(await identify(pid)).toBeUndefined();
  });

  test("is not misled by a pid file that names a living stranger", async () => {
    const first = await start();
    await first.stop();
    const stranger = join(first.clusterDir, "postmaster.pid");
    await writeFile(stranger, `${process.pid}\n${first.clusterDir}\n0\n1\n\n127.0.0.1\n0 0\nready\n`);
    await writeFile(join(dirname(first.clusterDir), "postmaster.json"), "not json");
    const second = await start();
    expect(await query(second, "select 1")).toEqual([1]);
  });

  test("comes back on the same port when the server is killed", async () => {
    const postgres = await start();
    const first = postgres.pid;
    process.kill(first, "SIGKILL");
    expect(await waitUntil(async () => postgres.pid !== first, 20_000)).toBe(true);
    expect(await query(postgres, "select 1")).toEqual([1]);
  });

  test("goes to a place that its account can reach when the data dir lies under a closed home", async () => {
    await chmod(base, 0o700);
    const shared = await mkdtemp(join(tmpdir(), "auterity-shared-"));
    try {
      await chmod(shared, 0o711);
      const native = await installedBinaries();
      const installed = { root: join(base, "native"), version: native.version };
      await cp(native.root, installed.root, { recursive: true, verbatimSymlinks: true });
      const first = await start({ sharedRoots: [shared], installed });
      await query(first, "create table kept as select 7 as n");
      await first.stop();
      const second = await start({ sharedRoots: [], installed });
      expect(await query(second, "select n from kept")).toEqual([7]);
      expect(second.clusterDir.startsWith(isRoot ? shared : dataDir)).toBe(true);
      await second.stop();
    } finally {
      await rm(shared, { recursive: true, force: true });
    }
  });

  test("refuses a closed home when no shared place can be had (a normal user needs none)", async () => {
    await chmod(base, 0o700);
    const outcome = await start({ sharedRoots: ["/proc/nowhere", join(base, "file", "x")] }).then(
      () => "started",
      (error: unknown) => (error instanceof AppError ? error.code : error),
    );
    expect(outcome).toBe(isRoot ? "config_invalid" : "started");
  });

  test("refuses the copy of a data dir, whose record points at the first one's database", async () => {
    const first = await start();
    const copy = join(base, "copy");
    await mkdir(join(copy, "postgres"), { recursive: true });
    await writeFile(join(copy, "postgres", "location.json"), JSON.stringify({ home: dirname(first.clusterDir) }));
    await expect(start({ dataDir: copy })).rejects.toMatchObject({ code: "data_dir_in_use" });
    expect(await query(first, "select 1")).toEqual([1]);
  });

  test("goes on with its data when the data dir is moved", async () => {
    const first = await start();
    await query(first, "create table kept as select 7 as n");
    await first.stop();
    const moved = join(base, "moved");
    await rename(dataDir, moved);
    expect(await query(await start({ dataDir: moved }), "select n from kept")).toEqual([7]);
  });

  test("begins anew when the data dir was removed, and never takes up the database of the old one", async () => {
    await chmod(base, 0o700);
    const shared = join(await mkdtemp(join(tmpdir(), "auterity-shared-")), "databases");
    try {
      await chmod(dirname(shared), 0o711);
      const warnings: string[] = [];
      const log: Log = { ...silentLog, warn: (message) => void warnings.push(message) };
      const first = await start({ sharedRoots: [shared], log });
      await first.stop();
      await rm(dataDir, { recursive: true });
      await mkdir(dataDir, { mode: 0o711 });
      const second = await start({ sharedRoots: [shared], superuserPassword: "new key", log });
      expect(await query(second, "select 1")).toEqual([1]);
      expect(warnings).toHaveLength(isRoot ? 1 : 0);
      await second.stop();
    } finally {
      await rm(dirname(shared), { recursive: true, force: true });
    }
  });

  test("says so when the data dir's database was made with another key, and leaves no process", async () => {
    const first = await start();
    await first.stop();
    await expect(start({ superuserPassword: "another" })).rejects.toMatchObject({ code: "config_invalid" });
    expect(await processesWorkingIn(first.clusterDir)).toEqual([]);
  });

  test("can be told to give up starting", async () => {
    const aborted = start({ signal: AbortSignal.abort(new Error("enough")) });
    await expect(aborted).rejects.toThrow("enough");
    const controller = new AbortController();
    const prepared = await prepareCluster(options());
    const launched = launch(options({ signal: controller.signal }), prepared);
    controller.abort(new Error("enough"));
    await expect(launched).rejects.toThrow("enough");
    expect(await processesWorkingIn(prepared.place.cluster)).toEqual([]);
  });

  test("explains what the server said when it cannot start", async () => {
    const prepared = await prepareCluster(options());
    await rm(join(prepared.place.cluster, "global"), { recursive: true });
    await expect(launch(options(), prepared)).rejects.toMatchObject({ code: "database_unavailable" });
  });

  test("gives up on a port that stays taken", async () => {
    const prepared = await prepareCluster(options());
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await expect(launch(options(), prepared, port)).rejects.toMatchObject({ code: "database_unavailable" });
    server.close();
  });
});

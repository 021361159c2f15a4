import { access, constants, mkdir, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { PROJECT_DIR, type Config } from "./config.ts";
import { AppError } from "./kernel/errors.ts";
import { silentLog } from "./kernel/log.ts";
import { Teardown } from "./kernel/teardown.ts";
import { backupDatabase, lockDataDir, openPostgres, restoreDatabase, type BackupSummary } from "./postgres/index.ts";
import { loadOrCreateMasterKey } from "./secrets/index.ts";
import { ownerUrl, rolePassword, runningOwnerUrl } from "./storage.ts";

/** Writes one consistent snapshot to `file`; the platform may run meanwhile. */
export async function backup(config: Config, file: string): Promise<BackupSummary> {
  return withDatabaseLogin(config, "shared", (url) => backupDatabase(url, file));
}

/** Reads a snapshot into an empty database. Throws `data_dir_in_use` while the platform runs, `backup_invalid` for a file that does not fit. */
export async function restore(config: Config, file: string): Promise<BackupSummary> {
  return withDatabaseLogin(config, "alone", (url) => restoreDatabase(url, file));
}

/** `shared` uses the database of a running platform if there is one; otherwise it is started for this work only. */
async function withDatabaseLogin<T>(config: Config, use: "shared" | "alone", work: (url: string) => Promise<T>): Promise<T> {
  const teardown = new Teardown(silentLog);
  try {
    const lock = await lockDataDir(config.dataDir).catch((error: unknown) => {
      if (use === "shared" && error instanceof AppError && error.code === "data_dir_in_use") return undefined;
      throw error;
    });
    const masterKey = await loadOrCreateMasterKey(config.dataDir, config.encryptionKey);
    if (!lock) return await work(config.databaseUrl ?? (await runningOwnerUrl({ config, masterKey })));
    teardown.add("data dir lock", () => lock.release());
    const url = await ownerUrl({ config, masterKey, log: silentLog, teardown });
    const prepared = await openPostgres({ ownerUrl: url, rolePassword: rolePassword(masterKey), log: silentLog });
    await prepared.close();
    return await work(url);
  } finally {
    await teardown.close();
  }
}

export type Check = { name: string; ok: boolean; found: string; remedy?: string };

/** Looks at what a start would need; changes nothing but making the data dir. */
export async function doctor(config: Config): Promise<Check[]> {
  const looks = await Promise.all([checkDataDir(config), checkPort(config), checkDatabase(config), checkRedis(config), checkWeb()]);
  return [checkNode(), ...looks, checkSettings(config)];
}

function checkNode(): Check {
  const ok = Number(process.versions.node.split(".")[0]) >= 24;
  return { name: "Node", ok, found: process.version, ...(ok ? {} : { remedy: "Start by `npm start`, which brings Node 24." }) };
}

async function checkDataDir({ dataDir }: Config): Promise<Check> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK);
    return { name: "data dir", ok: true, found: `${dataDir} can be written` };
  } catch {
    return {
      name: "data dir",
      ok: false,
      found: `${dataDir} cannot be written`,
      remedy: "Set AUTERITY_DATA_DIR to a folder of this user.",
    };
  }
}

async function checkPort({ host, port }: Config): Promise<Check> {
  const name = `port ${port}`;
  if (!(await answers(host, port))) return { name, ok: true, found: "free" };
  const ours = await fetch(`http://${host}:${port}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
  return ours
    ? { name, ok: true, found: "a platform answers" }
    : { name, ok: false, found: "something else listens", remedy: "Stop it, or choose another AUTERITY_PORT." };
}

async function checkDatabase({ databaseUrl }: Config): Promise<Check> {
  if (databaseUrl === undefined) return { name: "database", ok: true, found: "embedded PostgreSQL" };
  const { hostname, port } = new URL(databaseUrl);
  const ok = await answers(hostname, Number(port || 5432));
  const found = `${hostname}:${port || 5432} ${ok ? "answers" : "does not answer"}`;
  return { name: "database", ok, found, ...(ok ? {} : { remedy: "Start it, or correct DATABASE_URL." }) };
}

async function checkRedis({ redisUrl }: Config): Promise<Check> {
  if (redisUrl === undefined) return { name: "redis", ok: true, found: "not set, and not needed by one process" };
  const { hostname, port } = new URL(redisUrl);
  const ok = await answers(hostname, Number(port || 6379));
  const found = `${hostname}:${port || 6379} ${ok ? "answers" : "does not answer"}`;
  return {
    name: "redis",
    ok,
    found,
    ...(ok ? {} : { remedy: "Start it, or correct REDIS_URL; until then work begins up to half a second late." }),
  };
}

async function checkWeb(): Promise<Check> {
  const built = await stat(join(PROJECT_DIR, "web", "dist", "index.html")).then(
    () => true,
    () => false,
  );
  return { name: "web app", ok: built, found: built ? "built" : "not built", ...(built ? {} : { remedy: "Run `npm start` once." }) };
}

function checkSettings({ warnings }: Config): Check {
  const [first] = warnings;
  return {
    name: "settings",
    ok: first === undefined,
    found: first ?? "all known",
    ...(first === undefined ? {} : { remedy: "Correct the name." }),
  };
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const done = (ok: boolean) => (): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.once("connect", done(true)).once("error", done(false)).once("timeout", done(false));
  });
}

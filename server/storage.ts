import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { background, type Log } from "./kernel/log.ts";
import type { Teardown } from "./kernel/teardown.ts";
import { openPostgres, startEmbeddedPostgres, type DatabaseRole, type PoolSize, type Postgres } from "./postgres/index.ts";
import { deriveSecret } from "./secrets/index.ts";

type Deps = {
  config: Config;
  masterKey: Buffer;
  log: Log;
  teardown: Teardown;
  /** Told when the embedded database is gone for good without having been stopped. */
  onDatabaseLost?: () => void;
};

/** The passwords of the database's roles come from the master key, so that every process with that key knows them. */
export const rolePassword =
  (masterKey: Buffer) =>
  (role: DatabaseRole | "superuser"): string =>
    deriveSecret(masterKey, `postgres:${role}`).toString("base64url");

/** A login that owns the database: the embedded cluster, which is started, or the one that `DATABASE_URL` names. */
export async function ownerUrl({ config, masterKey, log, teardown, onDatabaseLost }: Deps): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const superuserPassword = rolePassword(masterKey)("superuser");
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, log, superuserPassword });
  teardown.add("postgresql", () => embedded.stop());
  background(log, "watching the database", async () => {
    if (!(await embedded.exited).expected) onDatabaseLost?.();
  });
  await writeFile(portFile(config), String(embedded.port), { mode: 0o600 });
  return embedded.url();
}

/** The same login, of an embedded database that the platform of this data dir is running now. */
export async function runningOwnerUrl({ config, masterKey }: Pick<Deps, "config" | "masterKey">): Promise<string> {
  const port = Number(await readFile(portFile(config), "utf8"));
  return `postgresql://auterity_admin:${rolePassword(masterKey)("superuser")}@127.0.0.1:${port}/auterity`;
}

const portFile = (config: Config): string => join(config.dataDir, "postgres.port");

/** Connections by what a process has to do; the sum over all processes must stay below PostgreSQL's `max_connections`. */
const POOLS = {
  all: { api: 16, worker: 8 },
  api: { api: 16, worker: 4 },
  worker: { api: 8, worker: 8 },
} as const satisfies Record<Config["role"], PoolSize>;

/** For what is under way on their connections. */
const POOLS_MS = 10_000;

/** The prepared database: roles, schema and pools. */
export async function openStorage(deps: Deps): Promise<Postgres> {
  const { config, masterKey, log, teardown } = deps;
  const poolSize = POOLS[config.role];
  const postgres = await openPostgres({ ownerUrl: await ownerUrl(deps), rolePassword: rolePassword(masterKey), log, poolSize });
  teardown.add("database pools", () => postgres.close(), POOLS_MS);
  return postgres;
}

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import type { Role } from "#contract/permissions.ts";
import { hashOf } from "#server/access/credentials.ts";
import { newId } from "#server/kernel/ids.ts";
import { readConfig, startPlatform, type Config, type Platform } from "#server/main.ts";
import { connect } from "#server/postgres/connection.ts";
import { withLogin, type DatabaseRole } from "#server/postgres/index.ts";
import { loadOrCreateMasterKey } from "#server/secrets/index.ts";
import { rolePassword, runningOwnerUrl } from "#server/storage.ts";
import { createClient, type Client } from "#sdk/client.ts";

/** The whole platform inside the test's own process, on a data dir of its own: one place to send to and to look into. */
export type StartedPlatform = {
  readonly config: Config;
  readonly url: string;
  /** An owner's; empty where no API is served. */
  readonly token: string;
  readonly client: Client;
  /** What `start` answered: the sign-in link, for example. */
  readonly platform: Platform;
  /** A connection to its database; without a role, as the server's superuser. Ended by `close` if the test does not. */
  sql(role?: DatabaseRole): Promise<pg.Client>;
  /** Stops the platform and removes everything that it leaves: only files. */
  close(): Promise<void>;
};

type Options = {
  env?: Record<string, string>;
  /** Kept after `close`; by default one is made and removed. */
  dataDir?: string;
};

export async function startedPlatform({ env = {}, dataDir }: Options = {}): Promise<StartedPlatform> {
  const folder = dataDir ?? (await newDataDir());
  const config = readConfig({ AUTERITY_DATA_DIR: folder, AUTERITY_PORT: "0", AUTERITY_LOG_LEVEL: "error", NODE_ENV: "test", ...env });
  const platform = await startPlatform(config);
  const { url, token = "" } = platform;
  const clients: pg.Client[] = [];
  return {
    config,
    url,
    token,
    client: createClient({ url, token }),
    platform,
    sql: async (role) => {
      const client = await connect(await databaseUrl(config, role));
      clients.push(client);
      return client;
    },
    close: async () => {
      await Promise.allSettled(clients.map((client) => client.end()));
      await platform.stop();
      if (dataDir === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A folder that the database's own account can pass through, as root needs it. By its name the next test run knows what a
 * killed one has left.
 */
export async function newDataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "auterity-test-"));
  await chmod(folder, 0o711);
  return folder;
}

async function databaseUrl(config: Config, role: DatabaseRole | undefined): Promise<string> {
  const masterKey = await loadOrCreateMasterKey(config.dataDir, config.encryptionKey);
  const url = config.databaseUrl ?? (await runningOwnerUrl({ config, masterKey }));
  return role === undefined ? url : withLogin(url, role, rolePassword(masterKey)(role));
}

/** A workspace beside the default one, with an owner and a token, as only the database itself can make it in this version. */
export async function addTenant(superuser: pg.Client, name: string): Promise<{ tenantId: string; token: string }> {
  const [tenantId, principalId] = [newId(), newId()];
  const token = `aut_${name.toLowerCase().replaceAll(/[^a-z0-9]/g, "-")}-token-of-an-owner`;
  await superuser.query("insert into tenants (id, name) values ($1, $2)", [tenantId, name]);
  await superuser.query("insert into principals (id, tenant_id, kind, name, role) values ($1, $2, 'user', $3, 'owner')", [
    principalId,
    tenantId,
    `${name} owner`,
  ]);
  await superuser.query("insert into api_tokens (id, tenant_id, principal_id, name, hash) values ($1, $2, $3, 'test', $4)", [
    newId(),
    tenantId,
    principalId,
    hashOf(token),
  ]);
  return { tenantId, token };
}

/** Somebody with this role in the one workspace of a new platform; answers a token. */
export async function addMember(superuser: pg.Client, { role, name }: { role: Role; name: string }): Promise<string> {
  const principalId = newId();
  const token = `aut_${newId()}-token-of-a-member`;
  await superuser.query("insert into principals (id, tenant_id, kind, name, role) select $1, id, 'user', $2, $3 from tenants", [
    principalId,
    name,
    role,
  ]);
  await superuser.query("insert into api_tokens (id, tenant_id, principal_id, name, hash) select $1, id, $2, 'test', $3 from tenants", [
    newId(),
    principalId,
    hashOf(token),
  ]);
  return token;
}

import { randomBytes } from "node:crypto";
import type pg from "pg";
import { inject } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Database } from "#server/kernel/ports.ts";
import { createDatabase, openPool } from "#server/postgres/database.ts";
import { withDatabase, withLogin, type DatabaseRole } from "#server/postgres/index.ts";
import { connect } from "#server/postgres/connection.ts";
import { rolePassword, TEMPLATE } from "./postgres-names.ts";

export type TestDatabase = {
  /** As the platform uses it: auterity_api with row-level security, and auterity_worker. */
  database: Database;
  /** auterity_owner: sees every tenant's rows. For arranging and asserting, never for the code under test. */
  ownerPool: pg.Pool;
  /** A connection of its own as auterity_worker; ended by `close` if the test does not. */
  connectWorker(): Promise<pg.Client>;
  /** A tenant row that exists already. */
  tenantId: string;
  /** Inserts another tenant and returns its id. */
  secondTenant(): Promise<string>;
  /** The database's address as any role; without one, as the server's superuser. For processes started by a test. */
  url(role?: DatabaseRole): string;
  close(): Promise<void>;
};

/** A fresh, migrated database of its own. Call `close` when done, usually in `afterAll`. */
export async function testDatabase(): Promise<TestDatabase> {
  const serverUrl = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  await asAdmin(serverUrl, (admin) => admin.query(`create database ${name} template ${TEMPLATE}`));
  const url = (role?: DatabaseRole): string => {
    const database = withDatabase(serverUrl, name);
    return role === undefined ? database : withLogin(database, role, rolePassword(role));
  };
  const pools = { api: openPool(url("auterity_api"), 8, silentLog), worker: openPool(url("auterity_worker"), 8, silentLog) };
  const ownerPool = openPool(url("auterity_owner"), 4, silentLog);
  const clients: pg.Client[] = [];
  const addTenant = async (): Promise<string> => {
    const id = newId();
    await ownerPool.query("insert into tenants (id, name) values ($1, $2)", [id, `Tenant ${id}`]);
    return id;
  };
  return {
    database: createDatabase(pools),
    ownerPool,
    connectWorker: async () => {
      const client = await connect(url("auterity_worker"));
      clients.push(client);
      return client;
    },
    tenantId: await addTenant(),
    secondTenant: addTenant,
    url,
    close: async () => {
      await Promise.allSettled(clients.map((client) => client.end()));
      await Promise.allSettled([pools.api.end(), pools.worker.end(), ownerPool.end()]);
      await asAdmin(serverUrl, (admin) => admin.query(`drop database if exists ${name} with (force)`));
    },
  };
}

async function asAdmin(url: string, work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = await connect(url);
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

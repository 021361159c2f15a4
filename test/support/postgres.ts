import { randomBytes } from "node:crypto";
import type pg from "pg";
import { inject } from "vitest";
import { newId } from "#server/kernel/ids.ts";
import { silentLog } from "#server/kernel/log.ts";
import type { Database } from "#server/kernel/ports.ts";
import { connect } from "#server/postgres/connection.ts";
import { createDatabase, openPool } from "#server/postgres/database.ts";
import { withDatabase, withLogin, type DatabaseRole } from "#server/postgres/index.ts";
import { ensureRoles } from "#server/postgres/roles.ts";
import { rolePassword, TEMPLATE } from "./postgres-names.ts";

export type EmptyDatabase = {
  /** The database's address as any role; without one, as the server's superuser. For processes started by a test. */
  url(role?: DatabaseRole): string;
  /** A connection of its own; ended by `close` if the test does not. */
  connect(role?: DatabaseRole): Promise<pg.Client>;
  close(): Promise<void>;
};

export type TestDatabase = EmptyDatabase & {
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
};

/** A fresh, migrated database of its own. Call `close` when done, usually in `afterAll`. */
export async function testDatabase(): Promise<TestDatabase> {
  const base = await createOn(inject("postgresUrl"), `template ${TEMPLATE}`);
  const pools = {
    api: openPool(base.url("auterity_api"), 8, silentLog),
    worker: openPool(base.url("auterity_worker"), 8, silentLog),
  };
  const ownerPool = openPool(base.url("auterity_owner"), 4, silentLog);
  const addTenant = async (): Promise<string> => {
    const id = newId();
    await ownerPool.query("insert into tenants (id, name) values ($1, $2)", [id, `Tenant ${id}`]);
    return id;
  };
  return {
    ...base,
    database: createDatabase(pools),
    ownerPool,
    connectWorker: () => base.connect("auterity_worker"),
    tenantId: await addTenant(),
    secondTenant: addTenant,
    close: async () => {
      await Promise.allSettled([pools.api.end(), pools.worker.end(), ownerPool.end()]);
      await base.close();
    },
  };
}

/** A database with the roles and nothing else, for tests of the migrations themselves. */
export async function emptyDatabase(): Promise<EmptyDatabase> {
  const database = await createOn(inject("postgresUrl"), "");
  await ensureRoles(database.url(), rolePassword);
  return database;
}

async function createOn(serverUrl: string, options: string): Promise<EmptyDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await asAdmin(serverUrl, `create database ${name} ${options}`);
  const url = (role?: DatabaseRole): string => {
    const database = withDatabase(serverUrl, name);
    return role === undefined ? database : withLogin(database, role, rolePassword(role));
  };
  const clients: pg.Client[] = [];
  return {
    url,
    connect: async (role) => {
      const client = await connect(url(role));
      clients.push(client);
      return client;
    },
    close: async () => {
      await Promise.allSettled(clients.map((client) => client.end()));
      await asAdmin(serverUrl, `drop database if exists ${name} with (force)`);
    },
  };
}

async function asAdmin(url: string, sql: string): Promise<void> {
  const admin = await connect(url);
  try {
    await admin.query(sql);
  } finally {
    await admin.end();
  }
}

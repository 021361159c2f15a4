import { Pool, type PoolClient } from "pg";
import type { Database, Tx } from "../kernel/ports.ts";
import { UUID } from "../kernel/paging.ts";
import type { Log } from "../kernel/log.ts";
import { CONNECT_TIMEOUT_MS } from "./connection.ts";
import { translatePgFailure } from "./pg-failure.ts";

export type PoolSize = { api: number; worker: number };

/** A pool whose idle connections may break without harm: the next use makes a new one. */
export function openPool(url: string, max: number, log: Log): Pool {
  const pool = new Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
  });
  pool.on("error", (error) => log.warn("an idle database connection broke", { reason: error.message }));
  return pool;
}

/**
 * The kernel's port over two pools, one per role. BEGIN and the tenant travel in one round trip; the setting is local to
 * the transaction, so that a pooled connection never carries one tenant's id into another's request.
 */
export function createDatabase(pools: { api: Pool; worker: Pool }): Database {
  return {
    asTenant: async (tenantId, fn) => {
      // Not a bound value, because BEGIN and SELECT go as one simple query; hence the check.
      if (!UUID.test(tenantId)) throw new TypeError("asTenant expects the tenant's id, a lower-case UUID.");
      return inTransaction(pools.api, `begin; select set_config('auterity.tenant_id', '${tenantId}', true)`, fn);
    },
    asWorker: (fn) => inTransaction(pools.worker, "begin", fn),
  };
}

/**
 * Commits when `fn` resolves, rolls back when it throws. When the connection breaks during COMMIT the outcome is unknown:
 * the caller sees `database_unavailable` and has to look.
 */
async function inTransaction<T>(pool: Pool, begin: string, fn: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await beginOn(pool, begin);
  let lost = false;
  const onLoss = (): void => void (lost = true);
  client.on("error", onLoss);
  client.on("end", onLoss);
  let broken = false;
  try {
    const result = await fn(transaction(client, () => lost));
    await client.query("commit");
    return result;
  } catch (error) {
    broken = await client.query("rollback").then(
      () => false,
      () => true,
    );
    throw translatePgFailure(error, lost);
  } finally {
    client.off("error", onLoss);
    client.off("end", onLoss);
    client.release(broken || lost);
  }
}

/**
 * A connection on which the transaction has begun. Idle connections may have broken unnoticed (a restart of the database
 * breaks all of them): nothing has been asked of such a one yet, so the next is tried, and in the end a new one.
 */
async function beginOn(pool: Pool, begin: string): Promise<PoolClient> {
  for (let idle = pool.idleCount; ; idle -= 1) {
    const client = await pool.connect().catch((error: unknown) => {
      throw translatePgFailure(error, true);
    });
    const onLoss = (): void => undefined;
    client.on("error", onLoss);
    try {
      await client.query(begin);
      return client;
    } catch (error) {
      client.release(true);
      if (idle <= 0) throw translatePgFailure(error, true);
    } finally {
      client.off("error", onLoss);
    }
  }
}

function transaction(client: PoolClient, isLost: () => boolean): Tx {
  return {
    query: async <R extends object>(text: string, values?: readonly unknown[]): Promise<R[]> => {
      try {
        const { rows } = await client.query<R>(text, values === undefined ? undefined : [...values]);
        return rows;
      } catch (error) {
        throw translatePgFailure(error, isLost());
      }
    },
  };
}

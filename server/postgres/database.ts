import { Pool, type PoolClient } from "pg";
import { AppError } from "../kernel/errors.ts";
import type { Database, PreparedStatement, TextRow, Tx } from "../kernel/ports.ts";
import { UUID } from "../kernel/paging.ts";
import { RoundTrip } from "../kernel/round-trip.ts";
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
  // A connection can break between the pool's watch and the borrower's, when the server's last word comes with its first. An
  // error event that nobody hears would end the process; the next use of the connection tells.
  pool.on("connect", (client) => client.on("error", () => {}));
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
      checkTenant(tenantId);
      return inTransaction(pools.api, `begin; select set_config('auterity.tenant_id', '${tenantId}', true)`, fn);
    },
    statement: async (tenantId, statement) => {
      checkTenant(tenantId);
      return inStatement(pools.api, tenantId, statement);
    },
    asWorker: (fn) => inTransaction(pools.worker, "begin", fn),
  };
}

function checkTenant(tenantId: string): void {
  if (!UUID.test(tenantId)) throw new TypeError("The tenant's id must be a lower-case UUID.");
}

/**
 * Arrays of any length would be planned anew each time, which costs more than carrying most statements out. And a plan that is
 * kept must not scan a table for ever because it was made while that was empty.
 */
const TENANT = {
  name: "auterity_tenant",
  text: `select set_config('auterity.tenant_id', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true)`,
};

async function inStatement(pool: Pool, tenantId: string, statement: PreparedStatement): Promise<TextRow[]> {
  const client = await connected(pool);
  let lost = false;
  const onLoss = (): void => void (lost = true);
  client.on("error", onLoss);
  client.on("end", onLoss);
  let broken = false;
  try {
    return await client.query(new RoundTrip({ ...TENANT, values: [tenantId] }, statement)).rows;
  } catch (error) {
    const failure = translatePgFailure(error, lost);
    // The server says so before it closes.
    broken = failure instanceof AppError;
    throw failure;
  } finally {
    client.off("error", onLoss);
    client.off("end", onLoss);
    client.release(broken);
  }
}

async function connected(pool: Pool): Promise<PoolClient> {
  return pool.connect().catch((error: unknown) => {
    throw translatePgFailure(error, true);
  });
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
    const client = await connected(pool);
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
    query: async <R extends object>(text: string, values?: readonly unknown[], name?: string): Promise<R[]> => {
      try {
        const { rows } = await client.query<R>({ text, ...(values && { values: [...values] }), ...(name !== undefined && { name }) });
        return rows;
      } catch (error) {
        throw translatePgFailure(error, isLost());
      }
    },
  };
}

import type pg from "pg";
import { AppError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Database, Leadership } from "../kernel/ports.ts";
import type { LockName } from "./advisory-lock.ts";
import { createLeadership } from "./leadership.ts";
import { withLogin, type DatabaseRole } from "./addresses.ts";
import { connect } from "./connection.ts";
import { createDatabase, openPool, type PoolSize } from "./database.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { translatePgFailure } from "./pg-failure.ts";
import { ensureRoles, refusePowerfulRoles, type RolePassword } from "./roles.ts";

export type OpenOptions = {
  /** A login that may create roles and owns the database: the embedded superuser, or DATABASE_URL. */
  ownerUrl: string;
  rolePassword: RolePassword;
  log: Log;
  poolSize?: Partial<PoolSize>;
};

export type Postgres = {
  readonly database: Database;
  /** A connection of its own as auterity_worker, for the journal's writer; the caller ends it. */
  connectWorker(): Promise<pg.Client>;
  /** An election among all processes on this database; the caller stops it. */
  leadership(lock: LockName): Leadership;
  /** Throws `database_unavailable` unless PostgreSQL answers and takes writes. */
  ping(): Promise<void>;
  /** Waits for running transactions, then closes both pools. */
  close(): Promise<void>;
};

const OLDEST_SERVER = 15;
const DEFAULT_POOLS: PoolSize = { api: 16, worker: 8 };

/** Prepares the database (roles, ownership, migrations) and opens it; the same for the embedded cluster and for DATABASE_URL. */
export async function openPostgres({ ownerUrl, rolePassword, log, poolSize }: OpenOptions): Promise<Postgres> {
  // First of all, because making these addresses checks the one given.
  const login = (role: DatabaseRole): string => withLogin(ownerUrl, role, rolePassword(role));
  const [owner, api, worker] = [login("auterity_owner"), login("auterity_api"), login("auterity_worker")];
  await ensureRoles(ownerUrl, rolePassword);
  await prepareSchema(owner, log);
  const sizes = { ...DEFAULT_POOLS, ...poolSize };
  const pools = { api: openPool(api, sizes.api, log), worker: openPool(worker, sizes.worker, log) };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => void (await Promise.all([pools.api.end(), pools.worker.end()]));
  return {
    database: createDatabase(pools),
    connectWorker: () => connect(worker),
    leadership: (lock) => createLeadership({ connect: () => connect(worker), lock, log }),
    ping: () => ping(pools.worker),
    close: () => (closing ??= close()),
  };
}

async function prepareSchema(url: string, log: Log): Promise<void> {
  const owner = await connect(url);
  try {
    const { rows } = await owner.query<{ major: number }>("select current_setting('server_version_num')::int / 10000 as major");
    const major = rows[0]?.major ?? 0;
    if (major < OLDEST_SERVER) {
      throw new AppError("config_invalid", `PostgreSQL ${OLDEST_SERVER} or newer is needed; DATABASE_URL leads to version ${major}.`);
    }
    await refusePowerfulRoles(owner);
    await migrate(owner, await readMigrations(), log);
  } finally {
    await owner.end();
  }
}

async function ping(pool: pg.Pool): Promise<void> {
  const { rows } = await pool
    .query<{ writable: boolean }>("select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as writable")
    .catch((error: unknown) => {
      throw translatePgFailure(error, true);
    });
  if (!rows[0]?.writable) {
    throw new AppError("database_unavailable", "PostgreSQL answers, but takes no writes at the moment.", { retryable: true });
  }
}

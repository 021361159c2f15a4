import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { AppError } from "../kernel/errors.ts";

/** Session-level advisory locks of this platform: one class, a number each. */
const LOCK_CLASS = 46_00;
const LOCKS = { roles: 1, migrations: 2, mcpChecks: 3 } as const;
export type LockName = keyof typeof LOCKS;
const PATIENCE_MS = 120_000;

/**
 * Runs `fn` while no other node does the same. Asks again and again rather than waiting inside the server: a waiting
 * statement holds a snapshot, for which CREATE INDEX CONCURRENTLY of the lock's holder would wait in turn.
 */
export async function holdingLock<T>(client: Client, lock: LockName, fn: () => Promise<T>): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (let taken = false; !taken;) {
    taken = await tryLock(client, lock);
    if (!taken && performance.now() > end) {
      throw new AppError("database_unavailable", `Another node has been preparing the database (${lock}) for ${PATIENCE_MS / 1000} s.`, {
        retryable: true,
      });
    }
    if (!taken) await sleep(50);
  }
  try {
    return await fn();
  } finally {
    // A broken connection has released it already.
    await client.query("select pg_advisory_unlock($1, $2)", keyOf(lock)).catch(() => {});
  }
}

/** False when another connection holds it. It is held until the connection ends. */
export async function tryLock(client: Client, lock: LockName): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>("select pg_try_advisory_lock($1, $2) as taken", keyOf(lock));
  return rows[0]?.taken ?? false;
}

const keyOf = (lock: LockName): number[] => [LOCK_CLASS, LOCKS[lock]];

import type { Database } from "../../kernel/ports.ts";

export type CacheKey = { tenantId: string; key: Buffer };

/** An output no older than `ttlMs`, still encoded. */
export async function findCached(database: Database, { tenantId, key }: CacheKey, ttlMs: number): Promise<Buffer | undefined> {
  const [row] = await database.asWorker((tx) =>
    tx.query<{ output: Buffer }>(
      `select output from step_cache where tenant_id = $1 and key = $2 and expires_at > now()
         and created_at > now() - $3 * interval '1 ms'`,
      [tenantId, key, ttlMs],
    ),
  );
  return row?.output;
}

export async function storeCached(
  database: Database,
  { tenantId, key }: CacheKey,
  { output, ttlMs }: { output: Buffer; ttlMs: number },
): Promise<void> {
  await database.asWorker((tx) =>
    tx.query(
      `insert into step_cache (tenant_id, key, output, expires_at) values ($1, $2, $3, now() + $4 * interval '1 ms')
       on conflict (tenant_id, key) do update set output = excluded.output, created_at = excluded.created_at, expires_at = excluded.expires_at`,
      [tenantId, key, output, ttlMs],
    ),
  );
}

/** Removes up to `atMost` outputs that have expired; answers with how many there were. */
export async function sweepCached(database: Database, atMost: number): Promise<number> {
  const rows = await database.asWorker((tx) =>
    tx.query(
      `delete from step_cache where (tenant_id, key) in (
         select tenant_id, key from step_cache where expires_at < now() order by expires_at limit $1 for update skip locked)
       returning 1`,
      [atMost],
    ),
  );
  return rows.length;
}

import type { Database } from "../../kernel/ports.ts";

/** One of the places of a limit, held by a process. */
export type Slot = { tenantId: string; key: string; number: number };
export type Wanted = { tenantId: string; key: string; /** The limit. */ atOnce: number; /** How many to take at most. */ count: number };

/** Takes up to `count` of the numbers up to `atOnce` that nobody holds; answers with them. */
export async function takeSlots(
  database: Database,
  { tenantId, key, atOnce, count }: Wanted,
  { owner, leaseMs }: { owner: string; leaseMs: number },
): Promise<number[]> {
  const rows = await database.asWorker((tx) =>
    tx.query<{ number: number }>(
      // At random, so that processes seldom want the same one; written in order, so that they never wait for each other in a circle.
      `with free as (
         select n from generate_series(1, $3::int4) n where not exists (
           select from concurrency_slots s where s.tenant_id = $1 and s.key = $2 and s.number = n and s.lease_until > now())
         order by random() limit $4
       )
       insert into concurrency_slots (tenant_id, key, number, owner, lease_until)
       select $1, $2, n, $5, now() + $6 * interval '1 ms' from free order by n
       on conflict (tenant_id, key, number) do update set owner = excluded.owner, lease_until = excluded.lease_until
       where concurrency_slots.lease_until <= now() returning number`,
      [tenantId, key, atOnce, count, owner, leaseMs],
    ),
  );
  return rows.map(({ number }) => number);
}

/** Prolongs what the process holds; answers with what it still does. */
export async function renewSlots(database: Database, owner: string, leaseMs: number): Promise<Slot[]> {
  const rows = await database.asWorker((tx) =>
    tx.query<{ tenant_id: string; key: string; number: number }>(
      `update concurrency_slots set lease_until = now() + $2 * interval '1 ms' where owner = $1 and lease_until > now()
       returning tenant_id, key, number`,
      [owner, leaseMs],
    ),
  );
  return rows.map(({ tenant_id: tenantId, key, number }) => ({ tenantId, key, number }));
}

export async function freeSlots(database: Database, slots: readonly Slot[], owner: string): Promise<void> {
  await database.asWorker((tx) =>
    tx.query(
      `delete from concurrency_slots s using unnest($1::uuid[], $2::text[], $3::int4[]) as f (tenant_id, key, number)
       where s.tenant_id = f.tenant_id and s.key = f.key and s.number = f.number and s.owner = $4`,
      [slots.map(({ tenantId }) => tenantId), slots.map(({ key }) => key), slots.map(({ number }) => number), owner],
    ),
  );
}

/** Slots that died with their process and that nobody has wanted since. */
export async function sweepSlots(database: Database): Promise<void> {
  await database.asWorker((tx) => tx.query("delete from concurrency_slots where lease_until < now() - interval '1 hour'"));
}

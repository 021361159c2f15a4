import type { Client } from "pg";
import { AppError } from "../../kernel/errors.ts";
import type { BackupHeader } from "./format.ts";

export type BackupTable = { name: string; columns: string[] };

/** What tells of the schema itself; a restored database has its own. */
const OF_THE_SCHEMA = ["schema_migrations", "schema_description"];

/** Every table with rows of ours, parents of foreign keys first, with the columns that can be written. */
export async function listTables(client: Client): Promise<BackupTable[]> {
  const { rows } = await client.query<BackupTable & { parents: string[] }>(TABLES, [OF_THE_SCHEMA]);
  const sorted: BackupTable[] = [];
  const waiting = new Map(rows.map((table) => [table.name, table]));
  while (waiting.size > 0) {
    const next = [...waiting.values()].find(({ parents }) => !parents.some((parent) => waiting.has(parent)));
    if (next === undefined)
      throw new AppError("internal", `The tables ${[...waiting.keys()].join(", ")} refer to one another in a circle.`);
    waiting.delete(next.name);
    sorted.push({ name: next.name, columns: next.columns });
  }
  return sorted;
}

/** A table's reference to itself does not count: COPY checks it after the last row. */
const TABLES = `
select c.relname as name,
  (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
  array(select distinct p.relname::text from pg_constraint k join pg_class p on p.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as parents
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> all ($1)
order by c.relname`;

export async function listPartitions(client: Client): Promise<BackupHeader["partitions"]> {
  const { rows } = await client.query<BackupHeader["partitions"][number]>(`
    select c.relname as name, p.relname as parent, pg_get_expr(c.relpartbound, c.oid) as bound
    from pg_class c join pg_inherits i on i.inhrelid = c.oid join pg_class p on p.oid = i.inhparent
    where c.relispartition and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    order by c.relname`);
  return rows;
}

/** Sequences that have given out a value. */
export async function listSequences(client: Client): Promise<BackupHeader["sequences"]> {
  const { rows } = await client.query<BackupHeader["sequences"][number]>(`
    select sequencename as name, last_value::text as "lastValue"
    from pg_sequences where schemaname = 'public' and last_value is not null order by 1`);
  return rows;
}

export const quote = (client: Client, names: readonly string[]): string => names.map((name) => client.escapeIdentifier(name)).join(", ");

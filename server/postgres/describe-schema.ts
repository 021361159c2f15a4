import type { Client } from "pg";

/** What differs between the schema as the last migration left it and the schema as it is. */
export type SchemaDrift = { missing: string[]; added: string[] };

/**
 * One line per table, column, constraint, index, policy, trigger, function and grant, sorted. Partitions are left out: they come and
 * go by the clock. So are NOT NULL constraints, which the columns tell and which only newer servers list.
 */
export async function describeSchema(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(DESCRIBE);
  return rows.map(({ line }) => line);
}

/** Notes the present schema as the right one; called after migrations were applied. */
export async function noteSchema(client: Client): Promise<void> {
  await client.query("delete from schema_description");
  await client.query("insert into schema_description select unnest($1::text[])", [await describeSchema(client)]);
}

/** Undefined when the schema is as noted. */
export async function findSchemaDrift(client: Client): Promise<SchemaDrift | undefined> {
  const { rows } = await client.query<{ line: string }>("select line from schema_description order by line");
  const noted = rows.map(({ line }) => line);
  const present = await describeSchema(client);
  const missing = without(noted, present);
  const added = without(present, noted);
  return missing.length + added.length === 0 ? undefined : { missing, added };
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
}

const DESCRIBE = `
with ours as (
  select c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relacl, c.relowner, c.reloptions
  from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
)
select line from (
  select format('table %s kind %s row security %s forced %s owner %s options %s', relname, relkind, relrowsecurity, relforcerowsecurity,
    pg_get_userbyid(relowner), coalesce(array_to_string(reloptions, ','), '')) as line
  from ours
  union all
  select format('column %s.%s %s%s%s%s storage %s', o.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' else '' end,
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''), case a.attidentity when '' then '' else ' identity ' || a.attidentity::text end, a.attstorage)
  from ours o join pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = o.oid and d.adnum = a.attnum
  union all
  select format('constraint %s.%s %s', o.relname, k.conname, pg_get_constraintdef(k.oid))
  from ours o join pg_constraint k on k.conrelid = o.oid and k.contype <> 'n'
  union all
  select format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid) from ours o join pg_index i on i.indrelid = o.oid
  union all
  select format('policy %s.%s %s to %s using %s check %s', o.relname, p.polname, p.polcmd,
    (select string_agg(pg_get_userbyid(role), ',' order by pg_get_userbyid(role)) from unnest(p.polroles) role),
    coalesce(pg_get_expr(p.polqual, p.polrelid), '-'), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '-'))
  from ours o join pg_policy p on p.polrelid = o.oid
  union all
  select format('grant %s to %s: %s', o.relname, case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
    string_agg(lower(a.privilege_type), ',' order by a.privilege_type))
  from ours o, aclexplode(o.relacl) a
  where a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
  group by o.relname, a.grantee
  union all
  select format('trigger %s.%s %s enabled %s', o.relname, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled)
  from ours o join pg_trigger t on t.tgrelid = o.oid and not t.tgisinternal
  union all
  select format('function %s body %s security definer %s', f.oid::regprocedure, md5(pg_get_functiondef(f.oid)), f.prosecdef)
  from pg_proc f where f.pronamespace = 'public'::regnamespace and f.prokind in ('f', 'p')
    and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.deptype = 'e')
) lines
order by line`;

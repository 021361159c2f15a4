-- Tenants, and how every other table is kept apart by tenant. The roles exist before the first migration runs, because
-- roles belong to the server, not to one database.

create table tenants (
  id uuid primary key,
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null default now()
);
comment on table tenants is 'Workspaces. Global: every other table names its tenant, this one is the list of them.';

-- Null when nothing is set, which matches no row. After SET LOCAL a session keeps the setting as an empty string.
create function auterity_tenant() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('auterity.tenant_id', true), '')::uuid;
comment on function auterity_tenant() is 'The tenant of this transaction, set by the platform as auterity.tenant_id.';

-- Tenant isolation of one table, with what auterity_worker may do across tenants.
-- auterity_owner keeps full sight: migrations fill columns, backups read everything, and foreign keys are checked as the owner.
create function auterity_protect(target regclass, worker text default 'none') returns void
  language plpgsql
as $$
declare
  worker_grant text := case worker
    when 'none' then null
    when 'read' then 'select'
    when 'insert' then 'insert'
    when 'write' then 'select, insert, update, delete'
  end;
  worker_policy text := case worker
    when 'read' then 'for select to auterity_worker using (true)'
    when 'insert' then 'for insert to auterity_worker with check (true)'
    when 'write' then 'for all to auterity_worker using (true) with check (true)'
  end;
begin
  if worker is null or worker not in ('none', 'read', 'insert', 'write') then
    raise exception 'auterity_protect: worker must be none, read, insert or write, not %', worker;
  end if;
  if not exists (
    select from pg_attribute
    where attrelid = target and attname = 'tenant_id' and atttypid = 'uuid'::regtype and attnotnull
  ) then
    raise exception 'auterity_protect: % needs a column tenant_id uuid not null', target;
  end if;
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  -- The sub-select is evaluated once per statement, not once per row.
  execute format(
    'create policy tenant on %s for all to auterity_api using (tenant_id = (select auterity_tenant())) with check (tenant_id = (select auterity_tenant()))',
    target
  );
  execute format('create policy owner on %s for all to auterity_owner using (true) with check (true)', target);
  execute format('revoke all on %s from public, auterity_api, auterity_worker', target);
  execute format('grant select, insert, update, delete on %s to auterity_api', target);
  if worker_grant is not null then
    execute format('create policy worker on %s %s', target, worker_policy);
    execute format('grant %s on %s to auterity_worker', worker_grant, target);
  end if;
end
$$;
comment on function auterity_protect(regclass, text) is 'Forces row-level security on a tenant table; worker is none, read, insert or write.';
revoke execute on function auterity_protect(regclass, text) from public;

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants for all to auterity_api using (id = (select auterity_tenant())) with check (id = (select auterity_tenant()));
create policy owner on tenants for all to auterity_owner using (true) with check (true);
create policy worker on tenants for select to auterity_worker using (true);
grant select, insert, update on tenants to auterity_api;
grant select on tenants to auterity_worker;

grant select on schema_migrations to auterity_api, auterity_worker;
alter default privileges grant usage on sequences to auterity_api, auterity_worker;

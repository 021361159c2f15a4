-- Workflows with their immutable versions, and runs: the journal that is the truth about each run, its inbox,
-- and the row by which workers find, hold and hand over runs.

create table workflows (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  description text not null default '',
  node_types text[] not null default '{}',
  version integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index workflows_name on workflows (tenant_id, lower(name)) where deleted_at is null;
create index workflows_list on workflows (tenant_id, id desc) where deleted_at is null;
select auterity_protect('workflows', worker => 'none');

-- `definition` is the JSON text as it was validated: jsonb would reject \u0000 in strings and reorder keys.
create table workflow_versions (
  workflow_id uuid not null,
  version integer not null,
  tenant_id uuid not null,
  hash text not null,
  definition text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (workflow_id, version)
);
create index workflow_versions_tenant on workflow_versions (tenant_id);
select auterity_protect('workflow_versions', worker => 'read');
revoke update, delete, truncate on workflow_versions from auterity_api;

-- `input`, `output` and `error` go through the value codec. `owner`, `lease_until` and `epoch` say who may append to the
-- journal; `wake_at` says when somebody must look at the run; `inbox_seq` counts what was ever put into its inbox.
create table runs (
  id uuid primary key,
  tenant_id uuid not null,
  workflow_id uuid not null,
  workflow_name text not null,
  version integer not null,
  status text not null check (status in ('queued', 'running', 'waiting', 'paused', 'cancelling', 'compensating', 'succeeded', 'failed', 'cancelled')),
  confidential boolean not null default false,
  environment text not null default 'production',
  input bytea not null,
  output bytea,
  error bytea,
  initiator text not null,
  tags text[] not null default '{}',
  parent_run_id uuid,
  epoch integer not null default 0,
  owner text,
  lease_until timestamptz,
  wake_at timestamptz,
  inbox_seq integer not null default 0,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
alter table runs alter column input set storage external;
alter table runs alter column output set storage external;
-- Ids are UUIDv7, so their order is the order of creation.
create index runs_list on runs (tenant_id, id desc);
create index runs_by_workflow on runs (tenant_id, workflow_id, id desc);
create index runs_by_status on runs (tenant_id, status, id desc);
create index runs_by_tag on runs using gin (tags) where tags <> '{}';
create index runs_by_parent on runs (parent_run_id) where parent_run_id is not null;
create index runs_due on runs (tenant_id, wake_at) where owner is null and wake_at is not null;
create index runs_over on runs (finished_at) where finished_at is not null;
create index runs_held on runs (lease_until) where owner is not null;
create index runs_woken on runs (owner, wake_at) where owner is not null and wake_at is not null;
select auterity_protect('runs', worker => 'write');
revoke delete, truncate on runs from auterity_worker;

-- Append only. No foreign key (it costs a tenth of the throughput); a run's row is written in the same statement as its
-- first event. Bodies are already compact or encrypted: compressing them again costs more than it saves.
create table run_journal (
  run_id uuid not null,
  seq integer not null,
  tenant_id uuid not null,
  v smallint not null,
  kind text not null,
  scope text not null,
  node_id text,
  attempt integer not null,
  epoch integer not null,
  append_id integer not null,
  labels jsonb,
  body bytea not null,
  at timestamptz not null,
  primary key (run_id, seq)
) with (autovacuum_vacuum_insert_scale_factor = 0.1);
alter table run_journal alter column body set storage external;
select auterity_protect('run_journal', worker => 'write');
revoke update, delete, truncate on run_journal from auterity_api, auterity_worker;

-- What anybody but the holder has to say to a run. A row leaves in the statement that appends its event.
create table run_inbox (
  run_id uuid not null,
  id uuid not null,
  tenant_id uuid not null,
  kind text not null check (kind in ('cancel', 'answer', 'context')),
  body bytea not null,
  at timestamptz not null default now(),
  primary key (run_id, id)
);
select auterity_protect('run_inbox', worker => 'write');

create table idempotency_keys (
  tenant_id uuid not null,
  caller text not null,
  key text not null,
  request_hash bytea not null,
  run_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, caller, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
select auterity_protect('idempotency_keys', worker => 'none');

-- Retention, and the only way by which events leave the journal: whole runs that ended long ago and from which no live run was
-- started. Answers how many went; the caller asks again while it is `at_most`.
create function auterity_forget_runs(older_than interval, at_most integer)
  returns integer
  language sql volatile security definer
  set search_path = pg_catalog, public, pg_temp
as $$
  with old as (
    select r.id from runs r
    where r.finished_at < now() - older_than
      and not exists (select from runs child where child.parent_run_id = r.id and child.finished_at is null)
    order by r.finished_at
    limit at_most
    for update skip locked
  ), events as (
    delete from run_journal where run_id in (select id from old)
  ), inbox as (
    delete from run_inbox where run_id in (select id from old)
  ), keys as (
    delete from idempotency_keys where run_id in (select id from old)
  ), gone as (
    delete from runs where id in (select id from old) returning 1
  )
  select count(*)::integer from gone
$$;
revoke all on function auterity_forget_runs(interval, integer) from public;
grant execute on function auterity_forget_runs(interval, integer) to auterity_worker;

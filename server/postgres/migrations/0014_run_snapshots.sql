-- A run's state as of one event, so that a long journal is not read from its beginning. Never the truth: a row that does not fit its
-- hash is ignored, and so is one of another `v`. `state` has been through the value codec, which is why it is not compressed again.
create table run_snapshots (
  run_id uuid not null,
  seq integer not null,
  tenant_id uuid not null,
  v smallint not null,
  hash bytea not null,
  state bytea not null,
  primary key (run_id, seq)
);
alter table run_snapshots alter column state set storage external;
select auterity_protect('run_snapshots', worker => 'write');
revoke insert, update, delete, truncate on run_snapshots from auterity_api;

create or replace function auterity_forget_runs(older_than interval, at_most integer)
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
  ), snapshots as (
    delete from run_snapshots where run_id in (select id from old)
  ), inbox as (
    delete from run_inbox where run_id in (select id from old)
  ), keys as (
    delete from idempotency_keys where run_id in (select id from old)
  ), gone as (
    delete from runs where id in (select id from old) returning 1
  )
  select count(*)::integer from gone
$$;

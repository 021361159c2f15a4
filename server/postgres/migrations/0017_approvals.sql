-- What waits for people's decision, written by the statement that writes the events it mirrors. `body` goes through the value
-- codec: what is asked, the arguments it is about, and the decisions so far.
create table approvals (
  id uuid primary key,
  tenant_id uuid not null,
  run_id uuid not null,
  scope text not null,
  node_id text not null,
  status text not null check (status in ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  approvers text[] not null,
  needed integer not null,
  deadline timestamptz,
  body bytea not null,
  requested_at timestamptz not null default now(),
  closed_at timestamptz
);
create index approvals_list on approvals (tenant_id, id desc);
create index approvals_pending on approvals (tenant_id, id desc) where status = 'pending';
create index approvals_of_run on approvals (run_id, scope, node_id);
select auterity_protect('approvals', worker => 'write');

-- They go with their run.
create or replace function auterity_forget_approvals() returns trigger
  language plpgsql
  set search_path = pg_catalog, public, pg_temp
as $$
begin
  delete from approvals where run_id = old.id;
  return null;
end
$$;
create trigger forget_approvals after delete on runs for each row execute function auterity_forget_approvals();

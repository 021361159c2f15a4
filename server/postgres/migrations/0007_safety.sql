-- Keys and secrets, the audit trail, where the platform may connect to, and the frames of every protocol.

-- Each tenant's data keys, wrapped under the master key, which no database holds.
create table tenant_keys (
  tenant_id uuid not null,
  version integer not null,
  key_id uuid not null unique,
  wrapped text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, version)
);
select auterity_protect('tenant_keys', worker => 'none');
revoke update, delete, truncate on tenant_keys from auterity_api;

-- `value` is sealed under the tenant's key and bound to tenant, id and version: a value copied to another row does not open.
create table secrets (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  environment text not null check (environment in ('production', 'test')),
  version integer not null,
  value text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, name, environment)
);
select auterity_protect('secrets', worker => 'none');

-- One chain per tenant. `hash` is an HMAC over the entry and the hash before it, with a key that is not in here. `at` and
-- `details` are text because the chain covers their exact characters.
create table audit_log (
  tenant_id uuid not null,
  seq bigint not null,
  at text not null,
  actor text not null,
  action text not null,
  target text not null,
  outcome text not null check (outcome in ('allow', 'deny')),
  reason text,
  details text not null,
  hash bytea not null,
  primary key (tenant_id, seq)
);
create index audit_log_by_action on audit_log (tenant_id, action, seq desc);
select auterity_protect('audit_log', worker => 'insert');
revoke update, delete, truncate on audit_log from auterity_api, auterity_worker;

-- Where each tenant's chain ends; its row is the lock by which sequence numbers have no gaps. `mac` makes a shortened
-- chain visible.
create table audit_heads (
  tenant_id uuid primary key,
  seq bigint not null,
  hash bytea not null,
  mac bytea not null
);
select auterity_protect('audit_heads', worker => 'write');
revoke delete, truncate on audit_heads from auterity_api, auterity_worker;

create function auterity_audit_is_append_only() returns trigger
  language plpgsql
as $$
begin
  raise exception 'the audit trail is append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete on audit_log for each row execute function auterity_audit_is_append_only();
create trigger never_emptied before truncate on audit_log for each statement execute function auterity_audit_is_append_only();

-- Targets that owners registered. Only `private` entries open loopback and private addresses; a `public` one opens an
-- unusual port of a host that was public when it was registered.
create table egress_allow (
  tenant_id uuid not null,
  purpose text not null,
  host text not null,
  port integer not null check (port between 1 and 65535),
  reach text not null check (reach in ('public', 'private')),
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, purpose, host, port)
);
select auterity_protect('egress_allow', worker => 'none');

-- Every frame that crossed the platform's border, by day, so that old days go as a whole.
create table protocol_frames (
  id uuid not null,
  at timestamptz not null,
  tenant_id uuid not null,
  protocol text not null check (protocol in ('mcp', 'openai', 'custom', 'a2a')),
  direction text not null check (direction in ('out', 'in')),
  kind text not null check (kind in ('request', 'response', 'notification', 'error', 'chunk')),
  method text not null,
  sender text not null,
  recipient text not null,
  correlation_id text not null,
  run_id uuid,
  scope text,
  node_id text,
  attempt integer,
  size_bytes integer not null,
  latency_ms double precision,
  truncated boolean not null,
  content bytea not null,
  primary key (id, at)
) partition by range (at);
create index protocol_frames_newest on protocol_frames (tenant_id, at desc, id desc);
create index protocol_frames_of_run on protocol_frames (tenant_id, run_id, at, id) where run_id is not null;
create index protocol_frames_of_exchange on protocol_frames (tenant_id, correlation_id);
select auterity_protect('protocol_frames', worker => 'insert');
revoke update, delete, truncate on protocol_frames from auterity_api, auterity_worker;

-- Makes the partitions of these days (UTC), both included. Called by the worker at start, daily, and when a frame finds none.
create function auterity_make_frame_days(first date, last date) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  day date;
  part text;
begin
  if last - first > 366 then
    raise exception 'at most a year of frame partitions at once, not % days', last - first;
  end if;
  perform pg_advisory_xact_lock(hashtext('auterity_frame_days'));
  for day in select generate_series(first, last, interval '1 day')::date loop
    part := 'protocol_frames_' || to_char(day, 'YYYYMMDD');
    if to_regclass('public.' || part) is null then
      execute format(
        'create table public.%I partition of public.protocol_frames for values from (%L) to (%L)',
        part, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00'
      );
      -- The platform reads and writes the parent only; here nobody but the owner sees anything.
      execute format('alter table public.%I enable row level security', part);
      execute format('alter table public.%I force row level security', part);
      execute format('create policy owner on public.%I for all to auterity_owner using (true) with check (true)', part);
    end if;
  end loop;
end
$$;

-- Drops the partitions of all days before this one and says how many there were.
create function auterity_drop_frame_days(before date) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  part text;
  dropped integer := 0;
begin
  if before > current_date then
    raise exception 'frames of today and later are not dropped';
  end if;
  perform pg_advisory_xact_lock(hashtext('auterity_frame_days'));
  for part in
    select relname from pg_class join pg_inherits on inhrelid = pg_class.oid
    where inhparent = 'public.protocol_frames'::regclass and relname < 'protocol_frames_' || to_char(before, 'YYYYMMDD')
  loop
    execute format('drop table public.%I', part);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;
revoke execute on function auterity_make_frame_days(date, date), auterity_drop_frame_days(date) from public;
grant execute on function auterity_make_frame_days(date, date), auterity_drop_frame_days(date) to auterity_worker;

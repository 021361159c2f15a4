-- What starts runs by itself: schedules and their slots, webhooks and their deliveries, and what listens to the end of runs.

-- `next_at` is the first slot that is not planned yet; `firing_until` is the lease of the process that fires planned slots.
-- `input` goes through the value codec.
create table schedules (
  id uuid primary key,
  tenant_id uuid not null,
  workflow_id uuid not null,
  version integer,
  cron text not null,
  time_zone text not null,
  input bytea not null,
  overlap text not null check (overlap in ('skip', 'queue', 'cancel_previous', 'allow')),
  catch_up text not null check (catch_up in ('none', 'one', 'all')),
  catch_up_minutes integer not null,
  catch_up_slots integer not null,
  enabled boolean not null,
  next_at timestamptz,
  firing_until timestamptz,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index schedules_list on schedules (tenant_id, id desc);
create index schedules_next on schedules (next_at) where next_at is not null;
select auterity_protect('schedules', worker => 'write');

-- One row per slot, with what became of it; a row with `until` stands for all slots from `slot` to there. `version` and `input`
-- are what a due slot will start, as the schedule was when it came due; the input goes once the slot is settled. `is_live`
-- marks runs that the overlap policy must ask about.
create table schedule_slots (
  schedule_id uuid not null references schedules (id) on delete cascade,
  slot timestamptz not null,
  tenant_id uuid not null,
  outcome text not null check (outcome in ('due', 'fired', 'skipped', 'missed', 'failed')),
  until timestamptz,
  slots integer not null default 1,
  is_late boolean not null default false,
  is_manual boolean not null default false,
  is_live boolean not null default false,
  run_id uuid,
  reason text,
  version integer,
  input bytea,
  attempts integer not null default 0,
  try_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (schedule_id, slot)
);
create index schedule_slots_due on schedule_slots (try_at) where outcome = 'due';
create index schedule_slots_live on schedule_slots (schedule_id) where is_live;
create index schedule_slots_age on schedule_slots (settled_at) where settled_at is not null;
select auterity_protect('schedule_slots', worker => 'write');

-- `secret` is sealed under the tenant's key and bound to this row.
create table webhooks (
  id uuid primary key,
  tenant_id uuid not null,
  workflow_id uuid not null,
  version integer,
  verification jsonb not null,
  headers text[] not null default '{}',
  secret bytea not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  rotated_at timestamptz
);
create index webhooks_list on webhooks (tenant_id, id desc);
select auterity_protect('webhooks', worker => 'read');

-- What has been received, so that nothing has its effect twice. `context` holds headers and query until the run is started.
create table webhook_deliveries (
  webhook_id uuid not null references webhooks (id) on delete cascade,
  delivery text not null,
  tenant_id uuid not null,
  signature bytea,
  body_hash bytea not null,
  context bytea,
  run_id uuid,
  received_at timestamptz not null default now(),
  primary key (webhook_id, delivery)
);
create unique index webhook_deliveries_signature on webhook_deliveries (webhook_id, signature) where signature is not null;
create index webhook_deliveries_age on webhook_deliveries (received_at);
select auterity_protect('webhook_deliveries', worker => 'write');

-- `workflow_id` null listens to every workflow of the tenant. The statement that ends a run reads this table.
create table run_listeners (
  id uuid primary key,
  tenant_id uuid not null,
  workflow_id uuid,
  statuses text[] not null,
  action jsonb not null,
  secret bytea,
  created_by text not null,
  created_at timestamptz not null default now()
);
create index run_listeners_of on run_listeners (tenant_id, workflow_id);
select auterity_protect('run_listeners', worker => 'read');

-- Written by the statement that ends a run, one row for each listener; a row stays as the record of what came of it.
create table listener_deliveries (
  listener_id uuid not null,
  run_id uuid not null,
  tenant_id uuid not null,
  status text not null,
  confidential boolean not null,
  outcome text not null default 'due' check (outcome in ('due', 'done', 'failed')),
  attempts integer not null default 0,
  try_at timestamptz not null default now(),
  started_run_id uuid,
  reason text,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  primary key (listener_id, run_id)
);
create index listener_deliveries_due on listener_deliveries (try_at) where outcome = 'due';
create index listener_deliveries_age on listener_deliveries (settled_at) where settled_at is not null;
select auterity_protect('listener_deliveries', worker => 'write');

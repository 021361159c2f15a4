-- MCP servers: what was registered, what of it was approved, what their tools are, and what their processes did.

-- `launch`, `last_error` are JSON text: jsonb would reject \u0000 and reorder keys. `launch_hash` is about the launch as it
-- would run now, `approved_launch_hash` about the one that a person approved: a process starts only when they are equal.
-- `catalogue_pinned_at` is when the first list of tools was taken; tools that appear later wait for approval.
create table mcp_servers (
  id uuid primary key,
  tenant_id uuid not null,
  environment text not null check (environment in ('production', 'test')),
  name text not null,
  description text not null default '',
  launch text not null,
  launch_hash text not null,
  approved_launch_hash text,
  launch_approved_by text,
  launch_approved_at timestamptz,
  catalogue_trusted boolean not null default false,
  catalogue_pinned_at timestamptz,
  desired text not null check (desired in ('running', 'stopped')),
  state text not null default 'STOPPED' check (state in ('STOPPED', 'STARTING', 'READY', 'DEGRADED', 'STOPPING', 'FAILED', 'QUARANTINED')),
  protocol_version text,
  server_version text,
  last_error text,
  pid integer,
  started_at timestamptz,
  restarts integer not null default 0,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  check ((approved_launch_hash is null) = (launch_approved_by is null))
);
comment on column mcp_servers.catalogue_trusted is 'Whether the first catalogue is pinned without a person looking at each tool: the owner registered the server on a loopback install.';
create unique index mcp_servers_live_name on mcp_servers (tenant_id, environment, name) where deleted_at is null;
create index mcp_servers_page on mcp_servers (tenant_id, id desc) where deleted_at is null;
select auterity_protect('mcp_servers', worker => 'read');

-- `definition` is the canonical JSON (RFC 8785) of what the server last listed, its instructions included; `hash` is its
-- SHA-256. `approved_definition` is what a person last agreed to, so that a change can be shown as a difference.
create table mcp_tools (
  id uuid primary key,
  tenant_id uuid not null,
  server_id uuid not null references mcp_servers (id),
  name text not null check (length(name) between 1 and 128),
  definition text not null,
  hash text not null,
  approved_definition text,
  approved_hash text,
  approved_by text,
  approved_at timestamptz,
  approval text not null check (approval in ('approved', 'pending', 'changed', 'rejected')),
  effect text not null check (effect in ('none', 'idempotent', 'once', 'ask')),
  findings text[] not null default '{}',
  listed boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (server_id, name),
  check (approval <> 'approved' or approved_hash = hash)
);
create index mcp_tools_page on mcp_tools (tenant_id, id desc) where listed;
select auterity_protect('mcp_tools', worker => 'read');

-- Retained by count per server; the writer trims.
create table mcp_server_logs (
  id bigint generated always as identity primary key,
  tenant_id uuid not null,
  server_id uuid not null references mcp_servers (id),
  stream text not null check (stream in ('stderr', 'event')),
  text text not null,
  at timestamptz not null
);
create index mcp_server_logs_page on mcp_server_logs (server_id, id desc);
create index mcp_server_logs_tenant on mcp_server_logs (tenant_id);
select auterity_protect('mcp_server_logs', worker => 'none');

-- One row per process, written before it starts. A row without `ended_at` that belongs to another incarnation of the
-- platform is what a crash left; its id is in the environment of every process of that tree.
create table mcp_processes (
  id uuid primary key,
  tenant_id uuid not null,
  server_id uuid not null references mcp_servers (id),
  instance_id text not null,
  host text not null,
  pid integer,
  process_group integer,
  start_time text,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  exit_code integer,
  exit_signal text
);
create index mcp_processes_open on mcp_processes (host) where ended_at is null;
create index mcp_processes_server on mcp_processes (server_id, started_at desc);
create index mcp_processes_tenant on mcp_processes (tenant_id);
select auterity_protect('mcp_processes', worker => 'write');

-- Agents of all kinds: model providers, A2A agents, and custom agents that connect to /ws/agents by themselves.
create table agents (
  id uuid primary key,
  tenant_id uuid not null,
  environment text not null check (environment in ('production', 'test')),
  name text not null,
  title text not null,
  description text not null default '',
  endpoint jsonb not null,
  skills jsonb not null default '[]',
  version text not null default '',
  -- Of custom agents the connections below say whether they are online; this column is for those that are called by URL.
  status text not null default 'unknown' check (status in ('online', 'offline', 'unknown')),
  last_seen_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index agents_live_name on agents (tenant_id, environment, name) where deleted_at is null;
create index agents_page on agents (tenant_id, created_at desc, id desc) where deleted_at is null;
select auterity_protect('agents', worker => 'none');

-- Only the SHA-256 of a token is kept: whoever reads this table cannot connect with what is in it.
create table agent_tokens (
  id uuid primary key,
  tenant_id uuid not null,
  agent_id uuid not null references agents (id),
  hash bytea not null check (length(hash) = 32),
  created_by text not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create unique index agent_tokens_hash on agent_tokens (hash);
create index agent_tokens_live on agent_tokens (agent_id) where revoked_at is null;
select auterity_protect('agent_tokens', worker => 'none');

-- Open sockets of custom agents, on whichever node they are. A row that has not been seen for 15 s is what a crash left.
create table agent_connections (
  id uuid primary key,
  tenant_id uuid not null,
  agent_id uuid not null references agents (id),
  token_id uuid not null references agent_tokens (id),
  connected_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
create index agent_connections_agent on agent_connections (agent_id, last_seen_at desc);
select auterity_protect('agent_connections', worker => 'none');

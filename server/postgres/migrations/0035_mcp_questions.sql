-- What servers ask of people while a call is under way. `key` names the question over all attempts of a step, so that a process
-- that takes a run over finds it, and its answer, again. Question and answer are encrypted.
create table mcp_questions (
  id uuid primary key,
  tenant_id uuid not null,
  server_id uuid not null references mcp_servers (id),
  tool text not null,
  run_id uuid not null,
  scope text not null,
  node_id text not null,
  key text not null,
  status text not null check (status in ('pending', 'accepted', 'declined', 'cancelled', 'expired')),
  question bytea not null,
  answer bytea,
  asked_at timestamptz not null,
  expires_at timestamptz not null,
  closed_at timestamptz,
  closed_by text,
  unique (tenant_id, key)
);
create index mcp_questions_list on mcp_questions (tenant_id, id desc);
create index mcp_questions_of_server on mcp_questions (server_id);
select auterity_protect('mcp_questions', worker => 'none');

-- Every definition that a server has listed under a tool's name, with what was decided about it. `last_seen_at` is null while
-- it is what the server lists; `times` counts how often the server has begun to list it.
create table mcp_tool_definitions (
  tool_id uuid not null references mcp_tools (id),
  tenant_id uuid not null,
  hash text not null,
  definition text not null,
  times integer not null default 1,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz,
  decision text check (decision in ('approved', 'rejected')),
  decided_by text,
  decided_at timestamptz,
  reason text,
  primary key (tool_id, hash),
  check ((decision is null) = (decided_by is null))
);
create index mcp_tool_definitions_tenant on mcp_tool_definitions (tenant_id);
select auterity_protect('mcp_tool_definitions', worker => 'none');

insert into mcp_tool_definitions (tool_id, tenant_id, hash, definition, first_seen_at, last_seen_at, decision, decided_by, decided_at)
  select id, tenant_id, approved_hash, approved_definition, created_at, updated_at, 'approved', approved_by, approved_at
  from mcp_tools where approved_hash is not null and approved_definition is not null and approved_by is not null;
insert into mcp_tool_definitions (tool_id, tenant_id, hash, definition, first_seen_at, last_seen_at)
  select id, tenant_id, hash, definition, updated_at, case when listed then null else updated_at end from mcp_tools
  on conflict (tool_id, hash) do update set last_seen_at = excluded.last_seen_at;

-- `is_disabled`: taken out of use by hand, whatever is listed. `reason`: why it is disabled, or was rejected. `search`: the words
-- by which it is found, in lower case; null until it is written again.
alter table mcp_tools add column is_disabled boolean not null default false;
alter table mcp_tools add column reason text;
alter table mcp_tools add column search text;

-- Steps of runs that wait because their tool is not what was approved any more, as the executor has said last. They go with
-- the first look that finds them answered, over or gone. `times`: how often in a row the step came back to waiting.
create table mcp_tool_waits (
  run_id uuid not null,
  scope text not null,
  node_id text not null,
  tenant_id uuid not null,
  server_id uuid not null references mcp_servers (id),
  tool text not null,
  times integer not null default 1,
  since timestamptz not null default now(),
  primary key (run_id, scope, node_id)
);
create index mcp_tool_waits_tool on mcp_tool_waits (server_id, tool);
create index mcp_tool_waits_tenant on mcp_tool_waits (tenant_id);
select auterity_protect('mcp_tool_waits', worker => 'read');

-- What tests of servers have found, as JSON text. Without `server_id` it was a launch that nobody had registered, which
-- `launch_hash` still finds when somebody does. Retained by count; the writer trims.
create table mcp_server_tests (
  id uuid primary key,
  tenant_id uuid not null,
  server_id uuid references mcp_servers (id),
  launch_hash text not null,
  ok boolean not null,
  report text not null,
  at timestamptz not null
);
create index mcp_server_tests_of_server on mcp_server_tests (tenant_id, server_id, at desc);
create index mcp_server_tests_of_launch on mcp_server_tests (tenant_id, launch_hash, at desc) where server_id is null;
select auterity_protect('mcp_server_tests', worker => 'none');

-- What a server may reach is approved, the roots that it is told of too; and whoever has asked for what waits does not approve it.
-- JSON text, as the settings are. `launch_makers` is empty for what was registered before: then it was who registered the server.
alter table mcp_servers add column approved_roots text;
alter table mcp_servers add column launch_makers text not null default '[]';
comment on column mcp_servers.approved_roots is 'The roots that the server is told of; those in its settings wait for approval while they differ.';
comment on column mcp_servers.launch_makers is 'Who has asked for what waits for approval.';
update mcp_servers set approved_roots = (settings::json -> 'roots')::text
where approved_launch_hash is not null and settings::json -> 'roots' is not null;

-- A secret that was stored for a server goes with it.
alter table secrets add column made_for uuid;
comment on column secrets.made_for is 'The MCP server that it was stored for, with the server; null when a person has stored it.';

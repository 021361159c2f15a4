-- How often a person has asked for a start or a restart of a server: every process that runs the server compares.
alter table mcp_servers add column starts_asked integer not null default 0;
alter table mcp_servers add column restarts_asked integer not null default 0;

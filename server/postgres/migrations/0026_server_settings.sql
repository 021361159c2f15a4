-- How a server is used, as JSON text; what is not in it has the value that the contract gives it.
alter table mcp_servers add column settings text not null default '{}';

-- Which era of the protocol a server was found to be of, and when, as JSON text: it is asked again when that is long ago.
alter table mcp_servers add column era text;

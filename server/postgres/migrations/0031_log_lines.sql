-- Lines of a server's log say which process they came from, and those that the server sent as messages how serious they are.
alter table mcp_server_logs add column process_id uuid;
alter table mcp_server_logs add column level text;
alter table mcp_server_logs drop constraint mcp_server_logs_stream_check;
alter table mcp_server_logs add constraint mcp_server_logs_stream check (stream in ('stderr', 'event', 'message')) not valid;
alter table mcp_server_logs validate constraint mcp_server_logs_stream;

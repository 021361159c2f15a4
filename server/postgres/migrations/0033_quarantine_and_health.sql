-- A server that was taken out: why, by whom, since when, as JSON text; null when it is not. And what its last checks have shown.
alter table mcp_servers add column quarantine text;
alter table mcp_servers add column health text;
alter table mcp_servers add column next_attempt_at timestamptz;
comment on column mcp_servers.next_attempt_at is 'When a server that was given up is tried once more by itself.';
update mcp_servers
  set quarantine = json_build_object('reason', 'Its tools kept changing.', 'by', 'system:mcp', 'since', to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text
  where state = 'QUARANTINED';

-- Of which MCP server, conversation and tool a frame is, and whether it tells of a failure. Filled from now on.
alter table protocol_frames
  add column server_id uuid,
  add column connection_id uuid,
  add column transport text,
  add column era text,
  add column tool text,
  add column error_code text,
  add column redacted boolean not null default false;

-- Requests of `http` steps are frames, too. What is stored already has passed the narrower check.
alter table protocol_frames drop constraint protocol_frames_protocol_check;
alter table protocol_frames
  add constraint protocol_frames_protocol_check check (protocol in ('mcp', 'openai', 'custom', 'a2a', 'http')) not valid;

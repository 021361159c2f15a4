-- Runs that no process survives: how often in a row their holder died, or could not read them, without any progress, and since when
-- and why nobody takes them up any more.
alter table runs add column crash_count integer not null default 0;
alter table runs add column dead_at timestamptz;
alter table runs add column dead_reason text;

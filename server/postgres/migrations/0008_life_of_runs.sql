-- More that can be said to a run: each kind is checked by the code that reads it.
alter table run_inbox drop constraint if exists run_inbox_kind_check;

-- The step of another run that waits for this one, and whether people try the workflow out.
alter table runs add column parent_step jsonb;
alter table runs add column mode text not null default 'production';

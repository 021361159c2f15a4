-- auterity:no-transaction
-- Nearly all runs succeed: those are found among the newest, and need no entry each.
create index concurrently runs_in_status on runs (tenant_id, status, id) where status <> 'succeeded';

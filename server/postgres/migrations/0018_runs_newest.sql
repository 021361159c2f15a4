-- auterity:no-transaction
-- Ids grow, so an ascending index is written at its end and stays dense; read backwards it gives the newest first just as well.
create index concurrently runs_newest on runs (tenant_id, id);

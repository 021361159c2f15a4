-- auterity:no-transaction
drop index concurrently runs_by_status;

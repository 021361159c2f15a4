-- auterity:no-transaction
drop index concurrently runs_list;

-- auterity:no-transaction
create index concurrently audit_log_of_action on audit_log (tenant_id, action, seq);

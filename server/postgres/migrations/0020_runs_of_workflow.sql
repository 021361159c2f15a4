-- auterity:no-transaction
create index concurrently runs_of_workflow on runs (tenant_id, workflow_id, id);

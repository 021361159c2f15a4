-- Approved before the scan found what it finds now, because another server has listed its tools since.
alter table mcp_tools add column is_flagged boolean not null default false;

-- The most calls of an agent at once, over all processes and runs of its tenant. Null: as many as come.
alter table agents add column concurrency integer;

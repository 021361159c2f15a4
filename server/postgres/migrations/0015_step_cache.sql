-- Results of steps whose node asks for it (`policy.cache`). `key` is the SHA-256 of what the step was asked; `output` goes through the
-- value codec. Nothing of confidential runs is in here.
create table step_cache (
  tenant_id uuid not null,
  key bytea not null,
  output bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, key)
);
alter table step_cache alter column output set storage external;
create index step_cache_expiry on step_cache (expires_at);
select auterity_protect('step_cache', worker => 'write');
revoke insert, update, delete, truncate on step_cache from auterity_api;

-- Calls under way where there may be only so many at once: of a node over all runs, of an agent, of a tenant. A slot is free when it
-- has no row, or one whose lease is over. `owner` is a process.
create table concurrency_slots (
  tenant_id uuid not null,
  key text not null,
  number integer not null,
  owner uuid not null,
  lease_until timestamptz not null,
  primary key (tenant_id, key, number)
);
select auterity_protect('concurrency_slots', worker => 'write');
revoke insert, update, delete, truncate on concurrency_slots from auterity_api;

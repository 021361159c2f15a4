-- Who may use the platform: principals, and the three things that prove who one is. Only SHA-256 hashes of tokens,
-- session ids and link codes are kept: whoever reads these tables cannot sign in with what is in them.
create table principals (
  id uuid primary key,
  tenant_id uuid not null references tenants (id),
  kind text not null check (kind in ('user', 'service_account', 'agent')),
  name text not null check (length(name) between 1 and 120),
  role text check (role in ('owner', 'admin', 'designer', 'operator', 'viewer', 'auditor')),
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  unique (tenant_id, id)
);
create unique index principals_name on principals (tenant_id, kind, name);
select auterity_protect('principals', worker => 'none');

create table api_tokens (
  id uuid primary key,
  tenant_id uuid not null,
  principal_id uuid not null,
  name text not null check (length(name) between 1 and 120),
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  foreign key (tenant_id, principal_id) references principals (tenant_id, id)
);
create index api_tokens_principal on api_tokens (tenant_id, principal_id);
select auterity_protect('api_tokens', worker => 'none');

create table sessions (
  id uuid primary key,
  tenant_id uuid not null,
  principal_id uuid not null,
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null default now(),
  -- Moves with use, by at most a minute's delay; a session ends 12 hours after it.
  seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  foreign key (tenant_id, principal_id) references principals (tenant_id, id)
);
create index sessions_principal on sessions (tenant_id, principal_id);
select auterity_protect('sessions', worker => 'none');

create table sign_in_links (
  id uuid primary key,
  tenant_id uuid not null,
  principal_id uuid not null,
  hash bytea not null unique check (length(hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  foreign key (tenant_id, principal_id) references principals (tenant_id, id)
);
create index sign_in_links_principal on sign_in_links (tenant_id, principal_id);
select auterity_protect('sign_in_links', worker => 'none');

-- The only sight across tenants that the API role has: the principal behind one hash that the caller already holds.
-- It runs as the owner, because the tenant is not known before the credential is.
create function auterity_find_credential(wanted_kind text, wanted_hash bytea)
  returns table (
    credential_id uuid, tenant_id uuid, tenant_name text, principal_id uuid, kind text, name text, role text, seen_at timestamptz
  )
  language sql stable security definer
  set search_path = pg_catalog, public, pg_temp
as $$
  select found.id, found.tenant_id, t.name, p.id, p.kind, p.name, p.role, found.seen_at
  from (
    select id, api_tokens.tenant_id, principal_id, null::timestamptz as seen_at
    from api_tokens
    where wanted_kind = 'token' and hash = wanted_hash and revoked_at is null and (expires_at is null or expires_at > now())
    union all
    select id, sessions.tenant_id, principal_id, sessions.seen_at
    from sessions
    where wanted_kind = 'session' and hash = wanted_hash and ended_at is null and expires_at > now()
      and sessions.seen_at > now() - interval '12 hours'
    union all
    select id, sign_in_links.tenant_id, principal_id, null
    from sign_in_links
    where wanted_kind = 'link' and hash = wanted_hash and used_at is null and expires_at > now()
  ) as found
  join principals p on p.tenant_id = found.tenant_id and p.id = found.principal_id
  join tenants t on t.id = found.tenant_id
  where p.disabled_at is null
$$;
revoke execute on function auterity_find_credential(text, bytea) from public;
grant execute on function auterity_find_credential(text, bytea) to auterity_api;

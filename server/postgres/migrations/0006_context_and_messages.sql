-- Shared context: an append-only chain of versions per context, snapshots of it, and large values kept once.

create table contexts (
  id uuid primary key,
  tenant_id uuid not null references tenants (id),
  kind text not null check (kind in ('run', 'session', 'workflow', 'tenant')),
  owner_id uuid not null,
  version bigint not null default 0,
  head_hash bytea check (octet_length(head_hash) = 32),
  key_rules jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, id),
  unique (tenant_id, kind, owner_id)
) with (fillfactor = 80);
comment on table contexts is 'One shared context per run, session, workflow or tenant. version and head_hash repeat the last event, for compare-and-set.';
comment on column contexts.key_rules is 'Per key: JSON Schema, owner, merge rule, classification, readers.';
create index contexts_by_age on contexts (tenant_id, created_at desc, id desc);

-- Without foreign keys: rows are inserted by the statement that appends to the journal, which is the busiest of all.
create table context_events (
  tenant_id uuid not null,
  context_id uuid not null,
  version bigint not null check (version > 0),
  op_key text not null,
  author text not null,
  patch bytea not null,
  prev_hash bytea check (octet_length(prev_hash) = 32),
  hash bytea not null check (octet_length(hash) = 32),
  at timestamptz not null default clock_timestamp(),
  primary key (context_id, version)
);
comment on table context_events is 'Append-only chain of patches. The key makes a lost update impossible; op_key (run, scope, node, generation) makes a repeated one harmless.';
comment on column context_events.patch is 'As the value codec wrote it: plain or encrypted.';
alter table context_events alter column patch set storage external;
create unique index context_events_op on context_events (context_id, op_key);
create index context_events_by_time on context_events (tenant_id, at desc);

create table context_snapshots (
  tenant_id uuid not null,
  context_id uuid not null,
  version bigint not null,
  state bytea not null,
  chain_hash bytea not null check (octet_length(chain_hash) = 32),
  hash bytea not null check (octet_length(hash) = 32),
  created_at timestamptz not null default now(),
  primary key (context_id, version),
  foreign key (tenant_id, context_id) references contexts (tenant_id, id) on delete cascade
);
comment on table context_snapshots is 'The state of a context at a version. chain_hash is the hash of the event at that version, hash that of the state.';
alter table context_snapshots alter column state set storage external;

create table blobs (
  tenant_id uuid not null references tenants (id),
  id bytea not null check (octet_length(id) = 32),
  content_type text not null default 'application/octet-stream',
  size_bytes bigint not null check (size_bytes >= 0),
  chunk_count integer not null check (chunk_count >= 0),
  created_at timestamptz not null default now(),
  unowned_since timestamptz default now(),
  primary key (tenant_id, id)
);
comment on table blobs is 'Values over 64 KiB, once per tenant: id is the HMAC of the content under the tenant''s key.';
comment on column blobs.unowned_since is 'When the last owner left, or the blob was made; null while blob_refs names an owner. The sweep removes after 24 hours.';
create index blobs_unowned on blobs (unowned_since) where unowned_since is not null;

create table blob_chunks (
  tenant_id uuid not null,
  blob_id bytea not null,
  position integer not null check (position >= 0),
  bytes bytea not null check (octet_length(bytes) <= 262400),
  primary key (tenant_id, blob_id, position),
  foreign key (tenant_id, blob_id) references blobs (tenant_id, id) on delete cascade
);
comment on table blob_chunks is 'The content in pieces of 256 KiB (and room for what encryption adds), read and written as a stream.';
alter table blob_chunks alter column bytes set storage external;

create table blob_refs (
  tenant_id uuid not null,
  blob_id bytea not null,
  owner_kind text not null check (length(owner_kind) between 1 and 64),
  owner_id text not null check (length(owner_id) between 1 and 255),
  created_at timestamptz not null default now(),
  primary key (tenant_id, blob_id, owner_kind, owner_id),
  foreign key (tenant_id, blob_id) references blobs (tenant_id, id)
);
comment on table blob_refs is 'Who needs a blob; written in the transaction that writes the owner. A blob with rows here cannot be deleted.';
create index blob_refs_by_owner on blob_refs (tenant_id, owner_kind, owner_id);

create function blob_ref_added() returns trigger language plpgsql as $$
begin
  update blobs set unowned_since = null where tenant_id = new.tenant_id and id = new.blob_id and unowned_since is not null;
  return null;
end
$$;
create trigger blob_ref_added after insert on blob_refs for each row execute function blob_ref_added();

create function blob_ref_removed() returns trigger language plpgsql as $$
begin
  -- The lock orders this against another transaction that adds or removes an owner of the same blob.
  perform from blobs where tenant_id = old.tenant_id and id = old.blob_id for update;
  update blobs set unowned_since = clock_timestamp()
  where tenant_id = old.tenant_id and id = old.blob_id
    and not exists (select from blob_refs r where r.tenant_id = old.tenant_id and r.blob_id = old.blob_id);
  return null;
end
$$;
create trigger blob_ref_removed after delete on blob_refs for each row execute function blob_ref_removed();

-- Messages between agents: envelopes, and one delivery per recipient in that recipient's own gapless order.

create table mailboxes (
  id uuid primary key,
  tenant_id uuid not null references tenants (id),
  address text not null check (length(address) between 1 and 255),
  last_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  unique (tenant_id, id),
  unique (tenant_id, address)
) with (fillfactor = 70);
comment on table mailboxes is 'One per recipient. A sender raises last_seq in its own transaction; the row lock makes the order of numbers the order of commits, without gaps.';

create table topic_subscriptions (
  tenant_id uuid not null,
  topic text not null check (length(topic) between 1 and 255),
  mailbox_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, topic, mailbox_id),
  foreign key (tenant_id, mailbox_id) references mailboxes (tenant_id, id) on delete cascade
);
comment on table topic_subscriptions is 'Which mailboxes get what is sent to a topic.';
create index topic_subscriptions_by_mailbox on topic_subscriptions (mailbox_id);

create table envelopes (
  id uuid primary key,
  tenant_id uuid not null references tenants (id),
  conversation_id uuid not null,
  correlation_id text not null,
  causation_id uuid,
  sender text not null,
  recipient text,
  topic text,
  protocol text not null check (protocol in ('mcp', 'openai', 'custom', 'a2a')),
  kind text not null check (length(kind) between 1 and 64),
  content_type text not null default 'application/json',
  content bytea not null,
  context_id uuid,
  run_id uuid,
  step_id text,
  idempotency_key text check (length(idempotency_key) <= 255),
  priority smallint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  unique (tenant_id, id),
  check ((recipient is null) <> (topic is null))
);
comment on table envelopes is 'Every message between agents, once, however many recipients it has. content is as the value codec wrote it.';
alter table envelopes alter column content set storage external;
create unique index envelopes_once on envelopes (tenant_id, sender, idempotency_key) where idempotency_key is not null;
create index envelopes_by_conversation on envelopes (tenant_id, conversation_id, created_at);
create index envelopes_by_correlation on envelopes (tenant_id, correlation_id);
create index envelopes_by_run on envelopes (run_id, created_at) where run_id is not null;
create index envelopes_by_age on envelopes (tenant_id, created_at desc, id desc);

create table deliveries (
  tenant_id uuid not null,
  mailbox_id uuid not null,
  seq bigint not null check (seq > 0),
  envelope_id uuid not null,
  state text not null default 'pending' check (state in ('pending', 'sent', 'acked', 'dead')),
  priority smallint not null default 0,
  attempts integer not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  settled_at timestamptz,
  primary key (mailbox_id, seq),
  unique (mailbox_id, envelope_id),
  foreign key (tenant_id, mailbox_id) references mailboxes (tenant_id, id) on delete cascade,
  foreign key (tenant_id, envelope_id) references envelopes (tenant_id, id) on delete cascade
) with (fillfactor = 80);
comment on table deliveries is 'One row per recipient. At least once: sent rows come up again at due_at until acked; after the last attempt they are dead.';
create index deliveries_open on deliveries (mailbox_id, seq) where state in ('pending', 'sent');
create index deliveries_due on deliveries (due_at) where state in ('pending', 'sent');
create index deliveries_by_envelope on deliveries (envelope_id);

create table dead_letters (
  id uuid primary key,
  tenant_id uuid not null,
  mailbox_id uuid not null,
  seq bigint not null,
  envelope_id uuid not null,
  code text not null,
  reason text not null,
  attempts integer not null,
  at timestamptz not null default now(),
  requeued_at timestamptz,
  requeued_by text,
  foreign key (mailbox_id, seq) references deliveries (mailbox_id, seq) on delete cascade,
  foreign key (tenant_id, envelope_id) references envelopes (tenant_id, id) on delete cascade
);
comment on table dead_letters is 'Messages given up on, with the reason. Requeueing keeps the row and makes the delivery pending again.';
create index dead_letters_open on dead_letters (tenant_id, at desc, id desc) where requeued_at is null;
create index dead_letters_by_delivery on dead_letters (mailbox_id, seq);
create index dead_letters_by_envelope on dead_letters (envelope_id);

select auterity_protect('contexts', worker => 'write');
select auterity_protect('context_events', worker => 'write');
select auterity_protect('context_snapshots', worker => 'write');
select auterity_protect('blobs', worker => 'write');
select auterity_protect('blob_chunks', worker => 'write');
select auterity_protect('blob_refs', worker => 'write');
select auterity_protect('mailboxes', worker => 'write');
select auterity_protect('topic_subscriptions', worker => 'read');
select auterity_protect('envelopes', worker => 'write');
select auterity_protect('deliveries', worker => 'write');
select auterity_protect('dead_letters', worker => 'write');

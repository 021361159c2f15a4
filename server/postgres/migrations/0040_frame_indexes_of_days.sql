-- The frames of one server, and the rare ones that tell of a failure, are found by indexes of the single days: an index on the whole
-- table would hold up everybody who writes. Days that have not begun get them at once; today and before keep the index by time.

create function auterity_index_frame_day(part text) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  execute format('create index on public.%I (tenant_id, server_id, at desc, id desc) where server_id is not null', part);
  execute format('create index on public.%I (tenant_id, at desc, id desc) where error_code is not null', part);
end
$$;
revoke execute on function auterity_index_frame_day(text) from public;

create or replace function auterity_make_frame_days(first date, last date) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  day date;
  part text;
begin
  if last - first > 366 then
    raise exception 'at most a year of frame partitions at once, not % days', last - first;
  end if;
  perform pg_advisory_xact_lock(hashtext('auterity_frame_days'));
  for day in select generate_series(first, last, interval '1 day')::date loop
    part := 'protocol_frames_' || to_char(day, 'YYYYMMDD');
    if to_regclass('public.' || part) is null then
      execute format(
        'create table public.%I partition of public.protocol_frames for values from (%L) to (%L)',
        part, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00'
      );
      -- The platform reads and writes the parent only; here nobody but the owner sees anything.
      execute format('alter table public.%I enable row level security', part);
      execute format('alter table public.%I force row level security', part);
      execute format('create policy owner on public.%I for all to auterity_owner using (true) with check (true)', part);
      perform auterity_index_frame_day(part);
    end if;
  end loop;
end
$$;

do $$
declare
  part text;
begin
  for part in
    select relname from pg_class join pg_inherits on inhrelid = pg_class.oid
    where inhparent = 'public.protocol_frames'::regclass and relname > 'protocol_frames_' || to_char(current_date, 'YYYYMMDD')
  loop
    perform auterity_index_frame_day(part);
  end loop;
end
$$;

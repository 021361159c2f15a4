import { ArrayColumn } from "../../kernel/array-column.ts";
import type { PreparedStatement } from "../../kernel/ports.ts";
import type { Append, Holder, RunAppends } from "./append.ts";
import { approvalColumns } from "./approval-columns.ts";

/** Sub-selects are computed once a statement, calls once a row. */
const NOW = "(select date_trunc('milliseconds', now()))";
const INSERT = `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
  select unnest($1::uuid[]), unnest($2::int4[]), unnest($3::uuid[]), 1, unnest($4::text[]), unnest($5::text[]), unnest($6::text[]),
    unnest($7::int4[]), unnest($8::int4[]), unnest($9::int4[]), unnest($10::bytea[]), ${NOW}`;
const END = `update runs set status = e.status, output = e.output, error = e.error, finished_at = ${NOW},
    owner = null, lease_until = null, wake_at = null
  from (select unnest($11::uuid[]) as id, unnest($12::int4[]) as epoch, unnest($13::text[]) as status, unnest($14::bytea[]) as output,
    unnest($15::bytea[]) as error) e
  where runs.id = e.id and runs.epoch = e.epoch
  returning runs.id, runs.tenant_id, runs.workflow_id, runs.status, runs.confidential,
    runs.parent_step is null and runs.mode = 'production' as is_heard`;
/**
 * A run's end and what it sets off are one thing: no crash comes between them. A child run is part of its parent, and people
 * who try a workflow out are not overheard.
 */
const TELL = `insert into listener_deliveries (listener_id, run_id, tenant_id, status, confidential)
  select l.id, ended.id, ended.tenant_id, ended.status, ended.confidential from ended join run_listeners l
    on l.tenant_id = ended.tenant_id and (l.workflow_id = ended.workflow_id or l.workflow_id is null) and ended.status = any(l.statuses)
  where ended.is_heard
  on conflict do nothing`;
const TAKE = `delete from run_inbox using unnest($16::uuid[], $17::uuid[]) as t (run_id, id)
  where run_inbox.run_id = t.run_id and run_inbox.id = t.id`;
/** Ends reach the inboxes of the parents with them; a parent that ends in the same statement needs none. */
const WAKE_PARENTS = `update runs set inbox_seq = inbox_seq + 1, wake_at = now() from unnest($18::uuid[]) as p (id)
  where runs.id = p.id and runs.finished_at is null and runs.id <> all($11::uuid[]) returning runs.id, runs.tenant_id`;
const NOTE = `insert into run_inbox (run_id, id, tenant_id, kind, body)
  select m.run_id, m.id, parents.tenant_id, 'child', m.body
  from unnest($18::uuid[], $19::uuid[], $20::bytea[]) as m (run_id, id, body) join parents on parents.id = m.run_id`;
/** What is asked of people is listed from the very moment at which the run waits for it. */
const ASK = `insert into approvals (id, tenant_id, run_id, scope, node_id, status, approvers, needed, deadline, body)
  select q.id, q.tenant_id, q.run_id, q.scope, q.node_id, 'pending', array(select jsonb_array_elements_text(q.approvers::jsonb)), q.needed,
    to_timestamp(q.deadline::float8 / 1000), q.body
  from unnest($21::uuid[], $22::uuid[], $23::uuid[], $24::text[], $25::text[], $26::text[], $27::int4[], $28::text[], $29::bytea[])
    as q (id, tenant_id, run_id, scope, node_id, approvers, needed, deadline, body)`;
const DECIDE = `update approvals set status = c.status, closed_at = case when c.status = 'pending' then null else now() end,
    deadline = case when c.approvers is null then approvals.deadline end,
    approvers = case when c.approvers is null then approvals.approvers else array(select jsonb_array_elements_text(c.approvers::jsonb)) end
  from unnest($30::uuid[], $31::text[], $32::text[], $33::text[], $34::text[]) as c (run_id, scope, node_id, status, approvers)
  where approvals.run_id = c.run_id and approvals.scope = c.scope and approvals.node_id = c.node_id and approvals.status = 'pending'`;
/** A run that is over asks nobody any more. */
const CLOSE = `update approvals set status = 'cancelled', closed_at = now() where run_id = any($11::uuid[]) and status = 'pending'`;
const AT = `select (extract(epoch from ${NOW}) * 1000)::float8 as at`;

const JOURNAL = { name: "journal", text: `with journal as (${INSERT}) ${AT}` };
const ENDS = `with journal as (${INSERT}), ended as (${END}), told as (${TELL})`;
const JOURNAL_ENDS = { name: "journal_ends", text: `${ENDS} ${AT}` };
const JOURNAL_ENDS_INBOX = {
  name: "journal_ends_inbox",
  text: `${ENDS}, taken as (${TAKE}), parents as (${WAKE_PARENTS}), noted as (${NOTE}) ${AT}`,
};

const JOURNAL_ALL = {
  name: "journal_all",
  text: `${ENDS}, taken as (${TAKE}), parents as (${WAKE_PARENTS}), noted as (${NOTE}),
    asked as (${ASK}), decided as (${DECIDE}), closed as (${CLOSE}) ${AT}`,
};

export type AppendStatement = (groups: readonly RunAppends[]) => PreparedStatement;

/**
 * One statement, one round trip: the journal rows, the runs that end with them, and the inbox rows they answer. The values are
 * valid until the next statement is made: its columns are used again.
 */
export function createAppendStatement(): AppendStatement {
  const columns = createJournalColumns();
  return (groups) => {
    const rows = columns(groups);
    const special: Append[] = [];
    for (const { appends } of groups) for (const append of appends) if (isSpecial(append)) special.push(append);
    if (special.length === 0) return { ...JOURNAL, values: rows };
    const ends = endColumns(special);
    if (special.some(({ approvals }) => approvals !== undefined))
      return { ...JOURNAL_ALL, values: [...rows, ...ends, ...inboxColumns(special), ...approvalColumns(special)] };
    if (!special.some(speaks)) return { ...JOURNAL_ENDS, values: [...rows, ...ends] };
    return { ...JOURNAL_ENDS_INBOX, values: [...rows, ...ends, ...inboxColumns(special)] };
  };
}

function createJournalColumns(): (groups: readonly RunAppends[]) => Buffer[] {
  const runId = new ArrayColumn("uuid");
  const seq = new ArrayColumn("int4");
  const tenantId = new ArrayColumn("uuid");
  const kind = new ArrayColumn("text");
  const scope = new ArrayColumn("text");
  const nodeId = new ArrayColumn("text");
  const attempt = new ArrayColumn("int4");
  const epoch = new ArrayColumn("int4");
  const appendId = new ArrayColumn("int4");
  const body = new ArrayColumn("bytea", 16_384);
  const columns = [runId, seq, tenantId, kind, scope, nodeId, attempt, epoch, appendId, body];
  const add = (holder: Holder, append: Append): void => {
    let at = append.firstSeq;
    for (const row of append.rows) {
      runId.bytes(holder.idBytes);
      seq.int4(at);
      tenantId.bytes(holder.tenantBytes);
      kind.text(row.kind);
      scope.text(row.scope);
      nodeId.text(row.nodeId);
      attempt.int4(row.attempt);
      epoch.int4(holder.epoch);
      appendId.int4(append.appendId);
      body.bytes(row.body);
      at += 1;
    }
  };
  return (groups) => {
    for (const column of columns) column.clear();
    for (const { holder, appends } of groups) for (const append of appends) add(holder, append);
    return columns.map((column) => column.toBuffer());
  };
}

function endColumns(appends: readonly Append[]): Buffer[] {
  const id = new ArrayColumn("uuid");
  const epoch = new ArrayColumn("int4");
  const status = new ArrayColumn("text");
  const output = new ArrayColumn("bytea");
  const error = new ArrayColumn("bytea");
  for (const { holder, end } of appends) {
    if (!end) continue;
    id.bytes(holder.idBytes);
    epoch.int4(holder.epoch);
    status.text(end.status);
    output.bytes(end.output);
    error.bytes(end.error);
  }
  return [id, epoch, status, output, error].map((column) => column.toBuffer());
}

const isSpecial = ({ end, consumed, approvals }: Append): boolean => end !== undefined || consumed !== undefined || approvals !== undefined;

/** Whether it takes something out of an inbox, or puts something into one. */
const speaks = ({ end, consumed }: Append): boolean => consumed !== undefined || end?.told !== undefined;

function inboxColumns(appends: readonly Append[]): Buffer[] {
  const runId = new ArrayColumn("uuid");
  const id = new ArrayColumn("uuid");
  const noted = { runId: new ArrayColumn("uuid"), id: new ArrayColumn("uuid"), body: new ArrayColumn("bytea") };
  for (const { holder, end, consumed = [] } of appends) {
    if (end?.told) {
      noted.runId.uuid(end.told.runId);
      noted.id.uuid(end.told.inboxId);
      noted.body.bytes(end.told.body);
    }
    for (const inboxId of consumed) {
      runId.bytes(holder.idBytes);
      id.uuid(inboxId);
    }
  }
  return [runId, id, noted.runId, noted.id, noted.body].map((column) => column.toBuffer());
}

/** Who wrote the first row of each of these groups, where somebody has. */
export function ownerStatement(groups: readonly RunAppends[]): PreparedStatement {
  const runId = new ArrayColumn("uuid");
  const seq = new ArrayColumn("int4");
  for (const { holder, appends } of groups) {
    runId.bytes(holder.idBytes);
    seq.int4(appends[0]?.firstSeq ?? 0);
  }
  const text = `select j.run_id, j.epoch, j.append_id, (extract(epoch from j.at) * 1000)::float8
    from unnest($1::uuid[], $2::int4[]) as f (run_id, seq) join run_journal j on j.run_id = f.run_id and j.seq = f.seq`;
  return { name: "journal_owner", text, values: [runId.toBuffer(), seq.toBuffer()] };
}

import { ArrayColumn, uuidBytes } from "../../kernel/array-column.ts";
import type { RunAppends } from "./append.ts";

type Statement = { name: string; text: string; values: Buffer[] };

const NOW = "date_trunc('milliseconds', now())";
const INSERT = `insert into run_journal (run_id, seq, tenant_id, v, kind, scope, node_id, attempt, epoch, append_id, body, at)
  select run_id, seq, tenant_id, 1, kind, scope, node_id, attempt, epoch, append_id, body, ${NOW}
  from unnest($1::uuid[], $2::int4[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int4[], $8::int4[], $9::int4[], $10::bytea[])
    as r (run_id, seq, tenant_id, kind, scope, node_id, attempt, epoch, append_id, body)`;
const END = `update runs set status = e.status, output = e.output, error = e.error, finished_at = ${NOW},
    owner = null, lease_until = null, wake_at = null
  from unnest($11::uuid[], $12::int4[], $13::text[], $14::bytea[], $15::bytea[]) as e (id, epoch, status, output, error)
  where runs.id = e.id and runs.epoch = e.epoch
  returning runs.id, runs.tenant_id, runs.workflow_id, runs.status, runs.confidential`;
/** A run's end and what it sets off are one thing: no crash comes between them. */
const TELL = `insert into listener_deliveries (listener_id, run_id, tenant_id, status, confidential)
  select l.id, ended.id, ended.tenant_id, ended.status, ended.confidential from ended join run_listeners l
    on l.tenant_id = ended.tenant_id and (l.workflow_id = ended.workflow_id or l.workflow_id is null) and ended.status = any(l.statuses)
  on conflict do nothing`;
const TAKE = `delete from run_inbox using unnest($16::uuid[], $17::uuid[]) as t (run_id, id)
  where run_inbox.run_id = t.run_id and run_inbox.id = t.id`;
const AT = `select (extract(epoch from ${NOW}) * 1000)::float8 as at`;

/** One statement, one round trip: the journal rows, the runs that end with them, and the inbox rows they answer. */
export function appendStatement(groups: readonly RunAppends[]): Statement {
  const rows = journalColumns(groups);
  const ends = endColumns(groups);
  if (!ends) return { name: "journal", text: `with journal as (${INSERT}) ${AT}`, values: rows };
  const text = `with journal as (${INSERT}), ended as (${END}), told as (${TELL}), taken as (${TAKE}) ${AT}`;
  return { name: "journal_and_ends", text, values: [...rows, ...ends] };
}

function journalColumns(groups: readonly RunAppends[]): Buffer[] {
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
  for (const { holder, appends } of groups) {
    for (const append of appends) {
      for (const [i, row] of append.rows.entries()) {
        runId.bytes(holder.idBytes);
        seq.int4(append.firstSeq + i);
        tenantId.bytes(holder.tenantBytes);
        kind.text(row.kind);
        scope.text(row.scope);
        nodeId.text(row.nodeId);
        attempt.int4(row.attempt);
        epoch.int4(holder.epoch);
        appendId.int4(append.appendId);
        body.bytes(row.body);
      }
    }
  }
  return [runId, seq, tenantId, kind, scope, nodeId, attempt, epoch, appendId, body].map((column) => column.toBuffer());
}

/** Undefined when no run of the batch ends and no inbox row is answered, which is the usual case. */
function endColumns(groups: readonly RunAppends[]): Buffer[] | undefined {
  const special = groups.flatMap(({ appends }) => appends.filter(({ end, consumed }) => end !== undefined || consumed !== undefined));
  if (special.length === 0) return undefined;
  const ended = { id: new ArrayColumn("uuid"), epoch: new ArrayColumn("int4"), status: new ArrayColumn("text") };
  const values = { output: new ArrayColumn("bytea"), error: new ArrayColumn("bytea") };
  const taken = { runId: new ArrayColumn("uuid"), id: new ArrayColumn("uuid") };
  for (const { holder, end, consumed = [] } of special) {
    if (end) {
      ended.id.bytes(holder.idBytes);
      ended.epoch.int4(holder.epoch);
      ended.status.text(end.status);
      values.output.bytes(end.output);
      values.error.bytes(end.error);
    }
    for (const id of consumed) {
      taken.runId.bytes(holder.idBytes);
      taken.id.bytes(uuidBytes(id));
    }
  }
  const columns = [ended.id, ended.epoch, ended.status, values.output, values.error, taken.runId, taken.id];
  return columns.map((column) => column.toBuffer());
}

/** Who wrote the first row of each of these groups, where somebody has. */
export function ownerStatement(groups: readonly RunAppends[]): Statement {
  const runId = new ArrayColumn("uuid");
  const seq = new ArrayColumn("int4");
  for (const { holder, appends } of groups) {
    runId.bytes(holder.idBytes);
    seq.int4(appends[0]?.firstSeq ?? 0);
  }
  const text = `select j.run_id::text as "runId", j.epoch, j.append_id as "appendId", (extract(epoch from j.at) * 1000)::float8 as at
    from unnest($1::uuid[], $2::int4[]) as f (run_id, seq) join run_journal j on j.run_id = f.run_id and j.seq = f.seq`;
  return { name: "journal_owner", text, values: [runId.toBuffer(), seq.toBuffer()] };
}

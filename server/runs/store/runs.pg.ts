import type { Dead, RunMode, RunStatus, RunSummary } from "#contract/runs.ts";
import type { Tx } from "../../kernel/ports.ts";
import type { MessageKind } from "../messages.ts";

/** A run as stored; its values are still encoded. */
export type RunRecord = RunSummary & {
  tenantId: string;
  isConfidential: boolean;
  input: Buffer;
  output: Buffer | null;
  error: Buffer | null;
};

type SummaryRow = {
  id: string;
  workflow_id: string;
  workflow_name: string;
  version: number;
  status: RunStatus;
  parent_run_id: string | null;
  mode: RunMode;
  tags: string[];
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  crash_count: number;
  dead_at: Date | null;
  dead_reason: string | null;
  seq: number;
};
type RunRow = SummaryRow & { tenant_id: string; confidential: boolean; input: Buffer; output: Buffer | null; error: Buffer | null };

const SUMMARY = `r.id, r.workflow_id, r.workflow_name, r.version, r.status, r.parent_run_id, r.mode, r.tags, r.created_at, r.started_at, r.finished_at,
  r.crash_count, r.dead_at, r.dead_reason,
  coalesce((select max(j.seq) from run_journal j where j.run_id = r.id), 0) as seq`;

/** Undefined when the tenant has no such run. */
export async function findRun(tx: Tx, id: string): Promise<RunRecord | undefined> {
  const [row] = await tx.query<RunRow>(
    `select ${SUMMARY}, r.tenant_id, r.confidential, r.input, r.output, r.error from runs r where r.id = $1`,
    [id],
  );
  return row && fromRow(row);
}

export async function findStatus(tx: Tx, id: string): Promise<RunStatus | undefined> {
  const [row] = await tx.query<{ status: RunStatus }>("select status from runs where id = $1", [id]);
  return row?.status;
}

/** By id; those that the tenant does not have are missing. */
export async function findStatuses(tx: Tx, ids: readonly string[]): Promise<Map<string, RunStatus>> {
  const rows = await tx.query<{ id: string; status: RunStatus }>("select id, status from runs where id = any($1::uuid[])", [ids]);
  return new Map(rows.map(({ id, status }) => [id, status]));
}

/** In no particular order. */
export async function selectNamed(tx: Tx, ids: readonly string[]): Promise<RunSummary[]> {
  const rows = await tx.query<SummaryRow>(`select ${SUMMARY} from runs r where r.id = any($1::uuid[])`, [ids]);
  return rows.map(summaryFromRow);
}

export type RunFilter = {
  status?: readonly RunStatus[] | undefined;
  workflowId?: string | undefined;
  /** Only runs that follow another version. */
  otherThanVersion?: number | undefined;
  tag?: string | undefined;
  mode?: RunMode | undefined;
  dead?: boolean | undefined;
  from?: string | undefined;
  to?: string | undefined;
  /** Only runs older than this one. */
  before?: string | undefined;
  limit: number;
};

/** Newest first. */
export async function selectRuns(tx: Tx, filter: RunFilter): Promise<RunSummary[]> {
  const { status, workflowId, otherThanVersion, tag, mode, dead, from, to, before, limit } = filter;
  const conditions: string[] = [];
  const values: unknown[] = [];
  const where = (condition: string, value: unknown): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition.replace("?", `$${values.length}`));
  };
  where("r.status = any(?::text[])", status);
  where("r.workflow_id = ?::uuid", workflowId);
  where("r.version <> ?::int4", otherThanVersion);
  where("r.tags <> '{}' and r.tags @> ?::text[]", tag === undefined ? undefined : [tag]);
  where("r.mode = ?", mode);
  where("r.created_at >= ?::timestamptz", from);
  where("r.created_at <= ?::timestamptz", to);
  where("r.id < ?::uuid", before);
  // Dead runs are paused ones, of which there are few: an index finds those.
  if (dead !== undefined) conditions.push(dead ? "r.status = 'paused' and r.dead_at is not null" : "r.dead_at is null");
  values.push(limit);
  const rows = await tx.query<SummaryRow>(
    `select ${SUMMARY} from runs r ${conditions.length > 0 ? `where ${conditions.join(" and ")}` : ""} order by r.id desc limit $${values.length}`,
    values,
  );
  return rows.map(summaryFromRow);
}

function summaryFromRow(row: SummaryRow): RunSummary {
  return {
    id: row.id,
    workflowId: row.workflow_id,
    workflowName: row.workflow_name,
    version: row.version,
    status: row.status,
    parentRunId: row.parent_run_id,
    mode: row.mode,
    tags: row.tags,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    seq: row.seq,
    ...(row.dead_at && row.finished_at === null && { dead: deathOf(row, row.dead_at) }),
  };
}

const deathOf = ({ dead_reason, crash_count: crashes }: SummaryRow, at: Date): Dead => ({
  at: at.toISOString(),
  reason: dead_reason ?? "",
  crashes,
});

function fromRow(row: RunRow): RunRecord {
  const { tenant_id: tenantId, confidential: isConfidential, input, output, error } = row;
  return { ...summaryFromRow(row), tenantId, isConfidential, input, output, error };
}

/** How many messages the run has not taken up yet. */
export async function countMessages(tx: Tx, runId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>("select count(*)::int4 as count from run_inbox where run_id = $1", [runId]);
  return row?.count ?? 0;
}

export type SentMessage = { runId: string; id: string; tenantId: string; kind: MessageKind; body: Buffer };

/**
 * Puts a message into a run's inbox and makes its holder, or whoever holds it next, look. A run that is over takes no
 * message: false. What is asked of the run shows in its status at once. A dead run is taken up again to be cancelled: it takes that in
 * before it does anything else.
 */
export async function sendMessage(tx: Tx, { runId, id, tenantId, kind, body }: SentMessage): Promise<boolean> {
  const rows = await tx.query(
    `update runs set inbox_seq = inbox_seq + 1, wake_at = now(), status = case when status in ('cancelling', 'compensating') then status
       when $2 in ('cancel', 'force') then 'cancelling' when $2 = 'pause' then 'paused' when $2 = 'unpause' then 'running' else status end,
       dead_at = case when $2 not in ('cancel', 'force') then dead_at end, crash_count = case when $2 not in ('cancel', 'force') then crash_count else 0 end
     where id = $1 and status not in ('succeeded', 'failed', 'cancelled') returning id`,
    [runId, kind],
  );
  if (rows.length === 0) return false;
  await tx.query("insert into run_inbox (run_id, id, tenant_id, kind, body) values ($1, $2, $3, $4, $5)", [
    runId,
    id,
    tenantId,
    kind,
    body,
  ]);
  return true;
}

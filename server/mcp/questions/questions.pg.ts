import type { QuestionStatus } from "#contract/mcp/questions.ts";
import type { StepRef, Tx } from "#server/kernel/ports.ts";

/** A question as stored; itself and its answer are still encrypted. */
export type QuestionRecord = {
  id: string;
  tenantId: string;
  serverId: string;
  serverName: string;
  /** The address of a server that is reached at one. */
  serverUrl: string | null;
  tool: string;
  runId: string;
  scope: string;
  nodeId: string;
  status: QuestionStatus;
  question: Buffer;
  answer: Buffer | null;
  askedAt: Date;
  expiresAt: Date;
  closedAt: Date | null;
  closedBy: string | null;
};

const COLUMNS = `q.id, q.tenant_id as "tenantId", q.server_id as "serverId", s.name as "serverName",
  s.launch::json ->> 'url' as "serverUrl", q.tool, q.run_id as "runId", q.scope,
  q.node_id as "nodeId", q.status, q.question, q.answer, q.asked_at as "askedAt", q.expires_at as "expiresAt", q.closed_at as "closedAt",
  q.closed_by as "closedBy"`;
const FROM = "mcp_questions q join mcp_servers s on s.id = q.server_id";

export type NewQuestion = {
  id: string;
  tenantId: string;
  serverId: string;
  tool: string;
  step: StepRef;
  key: string;
  question: Buffer;
  askedAt: Date;
  expiresAt: Date;
};

/**
 * Asks, or finds what was asked under this key before: with its answer, if it was answered. What was given up is asked again.
 * `isNew` says whether somebody has to be told.
 */
export async function askOnce(tx: Tx, asked: NewQuestion): Promise<{ id: string; isNew: boolean }> {
  const { id, tenantId, serverId, tool, step, key, question, askedAt, expiresAt } = asked;
  const place = [step.runId, step.scope, step.nodeId];
  const [row] = await tx.query<{ id: string }>(
    `insert into mcp_questions as q (id, tenant_id, server_id, tool, run_id, scope, node_id, key, status, question, asked_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $11)
     on conflict (tenant_id, key) do update set status = 'pending', id = excluded.id, question = excluded.question,
       asked_at = excluded.asked_at, expires_at = excluded.expires_at, closed_at = null, closed_by = null
     where q.status in ('cancelled', 'expired')
     returning q.id`,
    [id, tenantId, serverId, tool, ...place, key, question, askedAt, expiresAt],
  );
  if (row) return { id: row.id, isNew: true };
  const [known] = await tx.query<{ id: string }>("select id from mcp_questions where tenant_id = $1 and key = $2", [tenantId, key]);
  return { id: known?.id ?? id, isNew: false };
}

/** How many wait for an answer. */
export async function countPending(tx: Tx, serverId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    "select count(*)::int as count from mcp_questions where server_id = $1 and status = 'pending'",
    [serverId],
  );
  return row?.count ?? 0;
}

/** Undefined when the tenant has no such question. With `lock`, nobody else closes it until the transaction ends. */
export async function findQuestion(tx: Tx, id: string, lock: "lock" | "read" = "read"): Promise<QuestionRecord | undefined> {
  const [row] = await tx.query<QuestionRecord>(
    `select ${COLUMNS} from ${FROM} where q.id = $1 ${lock === "lock" ? "for update of q" : ""}`,
    [id],
  );
  return row;
}

type Filter = { status?: QuestionStatus | undefined; runId?: string | undefined; before: string | undefined; limit: number };

/** Newest first. */
export async function selectQuestions(tx: Tx, { status, runId, before, limit }: Filter): Promise<QuestionRecord[]> {
  return tx.query<QuestionRecord>(
    `select ${COLUMNS} from ${FROM}
     where ($1::text is null or q.status = $1) and ($2::uuid is null or q.run_id = $2) and ($3::uuid is null or q.id < $3)
     order by q.id desc limit $4`,
    [status, runId, before, limit],
  );
}

type Closing = { id: string; status: Exclude<QuestionStatus, "pending">; answer: Buffer | null; at: Date; by: string };

/** Whether it was still open. */
export async function closeQuestion(tx: Tx, { id, status, answer, at, by }: Closing): Promise<boolean> {
  const rows = await tx.query(
    "update mcp_questions set status = $2, answer = $3, closed_at = $4, closed_by = $5 where id = $1 and status = 'pending' returning id",
    [id, status, answer, at, by],
  );
  return rows.length > 0;
}

/** Those that nobody has closed in their time: whoever waited for them may be gone. */
export async function expireQuestions(tx: Tx, now: Date): Promise<{ id: string; runId: string }[]> {
  return tx.query<{ id: string; runId: string }>(
    `update mcp_questions set status = 'expired', closed_at = expires_at, closed_by = 'system' where status = 'pending' and expires_at <= $1
     returning id, run_id as "runId"`,
    [now],
  );
}

/** Those that were closed before this time. */
export async function forgetQuestions(tx: Tx, before: Date): Promise<void> {
  await tx.query("delete from mcp_questions where closed_at < $1", [before]);
}

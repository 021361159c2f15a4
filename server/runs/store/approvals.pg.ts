import type { ApprovalStatus } from "#contract/approvals.ts";
import type { Tx } from "../../kernel/ports.ts";

/** An approval as stored; its body is still encoded. */
export type ApprovalRecord = {
  id: string;
  tenantId: string;
  runId: string;
  workflowId: string;
  workflowName: string;
  isConfidential: boolean;
  scope: string;
  nodeId: string;
  status: ApprovalStatus;
  approvers: string[];
  needed: number;
  deadline: Date | null;
  isExpired: boolean;
  body: Buffer;
  requestedAt: Date;
  closedAt: Date | null;
};

const COLUMNS = `a.id, a.tenant_id as "tenantId", a.run_id as "runId", r.workflow_id as "workflowId", r.workflow_name as "workflowName",
  r.confidential as "isConfidential", a.scope, a.node_id as "nodeId", a.status, a.approvers, a.needed, a.deadline,
  coalesce(a.deadline <= now(), false) as "isExpired", a.body, a.requested_at as "requestedAt", a.closed_at as "closedAt"`;

/** Undefined when the tenant has no such approval. With `lock`, nobody else changes it until the transaction ends. */
export async function findApproval(tx: Tx, id: string, lock: "lock" | "read" = "read"): Promise<ApprovalRecord | undefined> {
  const [row] = await tx.query<ApprovalRecord>(
    `select ${COLUMNS} from approvals a join runs r on r.id = a.run_id where a.id = $1 ${lock === "lock" ? "for update of a" : ""}`,
    [id],
  );
  return row;
}

export type ApprovalFilter = {
  status?: ApprovalStatus | undefined;
  runId?: string | undefined;
  /** Only approvals older than this one. */
  before?: string | undefined;
  limit: number;
};

/** Newest first. */
export async function selectApprovals(tx: Tx, { status, runId, before, limit }: ApprovalFilter): Promise<ApprovalRecord[]> {
  return tx.query<ApprovalRecord>(
    `select ${COLUMNS} from approvals a join runs r on r.id = a.run_id
     where ($1::text is null or a.status = $1) and ($2::uuid is null or a.run_id = $2) and ($3::uuid is null or a.id < $3)
     order by a.id desc limit $4`,
    [status, runId, before, limit],
  );
}

/** Keeps what has been decided so far, or who else may decide. */
export async function updateApproval(tx: Tx, { id, body, approvers }: Pick<ApprovalRecord, "id" | "body" | "approvers">): Promise<void> {
  await tx.query("update approvals set body = $2, approvers = $3 where id = $1", [id, body, approvers]);
}

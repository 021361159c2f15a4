import type { HeldRun } from "../driver/live-run.ts";

export type ClaimedRow = {
  id: string;
  tenant_id: string;
  workflow_id: string;
  version: number;
  environment: string;
  confidential: boolean;
  epoch: number;
  inbox_seq: number;
};

/** A run that has just been taken over, with the version whose plan it follows. */
export type ClaimedRun = HeldRun & { version: number };

export const fromClaimedRow = (row: ClaimedRow): ClaimedRun => ({
  id: row.id,
  tenantId: row.tenant_id,
  workflowId: row.workflow_id,
  version: row.version,
  environment: row.environment,
  isConfidential: row.confidential,
  epoch: row.epoch,
  inboxSeq: row.inbox_seq,
});

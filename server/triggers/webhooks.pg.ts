import { Verification } from "#contract/triggers.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { OlderThan } from "./schedules.pg.ts";

/** A webhook as stored; its secret is sealed. */
export type WebhookRecord = {
  id: string;
  tenantId: string;
  workflowId: string;
  version: number | null;
  verification: Verification;
  headers: string[];
  secret: Buffer;
  createdAt: Date;
  rotatedAt: Date | null;
};
type Row = Omit<WebhookRecord, "verification"> & { verification: unknown };

const COLUMNS = `id, tenant_id as "tenantId", workflow_id as "workflowId", version, verification, headers, secret, created_at as "createdAt",
  rotated_at as "rotatedAt"`;
const fromRow = (row: Row): WebhookRecord => ({ ...row, verification: Verification.parse(row.verification) });

export type NewWebhook = Omit<WebhookRecord, "createdAt" | "rotatedAt"> & { createdBy: string };
export async function insertWebhook(tx: Tx, webhook: NewWebhook): Promise<WebhookRecord | undefined> {
  const { id, tenantId, workflowId, version, verification, headers, secret, createdBy } = webhook;
  const [row] = await tx.query<Row>(
    `insert into webhooks (id, tenant_id, workflow_id, version, verification, headers, secret, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${COLUMNS}`,
    [id, tenantId, workflowId, version, JSON.stringify(verification), headers, secret, createdBy],
  );
  return row && fromRow(row);
}

/** Within the tenant as its API, in all of them as a worker. */
export async function findWebhook(tx: Tx, id: string): Promise<WebhookRecord | undefined> {
  const [row] = await tx.query<Row>(`select ${COLUMNS} from webhooks where id = $1`, [id]);
  return row && fromRow(row);
}

/** Newest first. */
export async function selectWebhooks(tx: Tx, { before, workflowId, limit }: OlderThan): Promise<WebhookRecord[]> {
  const rows = await tx.query<Row>(
    `select ${COLUMNS} from webhooks where ($1::uuid is null or id < $1) and ($2::uuid is null or workflow_id = $2) order by id desc limit $3`,
    [before, workflowId, limit],
  );
  return rows.map(fromRow);
}

export async function replaceSecret(tx: Tx, id: string, secret: Buffer): Promise<WebhookRecord | undefined> {
  const [row] = await tx.query<Row>(`update webhooks set secret = $2, rotated_at = now() where id = $1 returning ${COLUMNS}`, [id, secret]);
  return row && fromRow(row);
}

export async function removeWebhook(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query("delete from webhooks where id = $1 returning id", [id]);
  return rows.length > 0;
}

export type DeliveryRecord = { bodyHash: Buffer; context: Buffer | null; runId: string | null };
type NewDelivery = { webhookId: string; tenantId: string; delivery: string; signature: Buffer | null; bodyHash: Buffer };

/** False when the delivery, or its signature under another name, is known. */
export async function insertDelivery(tx: Tx, delivery: NewDelivery & { context: Buffer | null; runId?: string }): Promise<boolean> {
  const rows = await tx.query(
    `insert into webhook_deliveries (webhook_id, delivery, tenant_id, signature, body_hash, context, run_id)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning delivery`,
    [
      delivery.webhookId,
      delivery.delivery,
      delivery.tenantId,
      delivery.signature,
      delivery.bodyHash,
      delivery.context,
      delivery.runId ?? null,
    ],
  );
  return rows.length > 0;
}

type DeliveryRef = { webhookId: string; delivery: string };
export async function findDelivery(tx: Tx, { webhookId, delivery }: DeliveryRef): Promise<DeliveryRecord | undefined> {
  const [row] = await tx.query<DeliveryRecord>(
    `select body_hash as "bodyHash", context, run_id as "runId" from webhook_deliveries where webhook_id = $1 and delivery = $2`,
    [webhookId, delivery],
  );
  return row;
}

/** Whose signature this is, when it came under another delivery's name. */
export async function findSigned(tx: Tx, webhookId: string, signature: Buffer): Promise<{ delivery: string } | undefined> {
  const [row] = await tx.query<{ delivery: string }>("select delivery from webhook_deliveries where webhook_id = $1 and signature = $2", [
    webhookId,
    signature,
  ]);
  return row;
}

export async function answerDelivery(tx: Tx, { webhookId, delivery }: DeliveryRef, runId: string): Promise<void> {
  await tx.query("update webhook_deliveries set run_id = $3, context = null where webhook_id = $1 and delivery = $2", [
    webhookId,
    delivery,
    runId,
  ]);
}

export async function forgetDelivery(tx: Tx, { webhookId, delivery }: DeliveryRef): Promise<void> {
  await tx.query("delete from webhook_deliveries where webhook_id = $1 and delivery = $2 and run_id is null", [webhookId, delivery]);
}

export async function forgetDeliveries(tx: Tx, days: number): Promise<void> {
  await tx.query("delete from webhook_deliveries where received_at < now() - make_interval(days => $1)", [days]);
}

/** As a worker, for an address that names only the run. */
export async function findTenantOfRun(tx: Tx, runId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ tenantId: string }>(`select tenant_id as "tenantId" from runs where id = $1`, [runId]);
  return row?.tenantId;
}

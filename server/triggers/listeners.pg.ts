import type { FINAL_STATUSES } from "#contract/runs.ts";
import { ListenerAction, type ListenerDelivery } from "#contract/triggers.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { OlderThan } from "./schedules.pg.ts";

type EndedStatus = (typeof FINAL_STATUSES)[number];
/** A run listener as stored; its secret is sealed. */
export type ListenerRecord = {
  id: string;
  tenantId: string;
  workflowId: string | null;
  on: EndedStatus[];
  action: ListenerAction;
  secret: Buffer | null;
  createdAt: Date;
};
type Row = Omit<ListenerRecord, "action"> & { action: unknown };

const COLUMNS = `id, tenant_id as "tenantId", workflow_id as "workflowId", statuses as on, action, secret, created_at as "createdAt"`;
const fromRow = (row: Row): ListenerRecord => ({ ...row, action: ListenerAction.parse(row.action) });

/** How many the tenant has; others who add one wait until the transaction ends. */
export async function countListeners(tx: Tx, tenantId: string): Promise<number> {
  await tx.query("select pg_advisory_xact_lock(hashtextextended('run_listeners ' || $1, 0))", [tenantId]);
  const [row] = await tx.query<{ count: number }>("select count(*)::int as count from run_listeners");
  return row?.count ?? 0;
}

export async function insertListener(
  tx: Tx,
  listener: Omit<ListenerRecord, "createdAt"> & { createdBy: string },
): Promise<ListenerRecord | undefined> {
  const { id, tenantId, workflowId, on, action, secret, createdBy } = listener;
  const [row] = await tx.query<Row>(
    `insert into run_listeners (id, tenant_id, workflow_id, statuses, action, secret, created_by) values ($1, $2, $3, $4, $5, $6, $7)
     returning ${COLUMNS}`,
    [id, tenantId, workflowId, on, JSON.stringify(action), secret, createdBy],
  );
  return row && fromRow(row);
}

export async function findListener(tx: Tx, id: string): Promise<ListenerRecord | undefined> {
  const [row] = await tx.query<Row>(`select ${COLUMNS} from run_listeners where id = $1`, [id]);
  return row && fromRow(row);
}

/** Newest first. */
export async function selectListeners(tx: Tx, { before, workflowId, limit }: OlderThan): Promise<ListenerRecord[]> {
  const rows = await tx.query<Row>(
    `select ${COLUMNS} from run_listeners where ($1::uuid is null or id < $1) and ($2::uuid is null or workflow_id = $2)
     order by id desc limit $3`,
    [before, workflowId, limit],
  );
  return rows.map(fromRow);
}

export async function removeListener(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query("delete from run_listeners where id = $1 returning id", [id]);
  if (rows.length > 0) await tx.query("delete from listener_deliveries where listener_id = $1", [id]);
  return rows.length > 0;
}

export type DueDelivery = {
  listenerId: string;
  runId: string;
  tenantId: string;
  status: EndedStatus;
  isConfidential: boolean;
  /** This one included. */
  attempts: number;
};

/** Takes deliveries for as long as the lease; whoever dies with them leaves them to the next. */
export async function claimDeliveries(tx: Tx, { limit, leaseMs }: { limit: number; leaseMs: number }): Promise<DueDelivery[]> {
  return tx.query<DueDelivery>(
    `update listener_deliveries d set attempts = d.attempts + 1, try_at = now() + $2 * interval '1 ms'
     from (select listener_id, run_id from listener_deliveries where outcome = 'due' and try_at <= now()
       order by try_at limit $1 for update skip locked) as c
     where d.listener_id = c.listener_id and d.run_id = c.run_id
     returning d.listener_id as "listenerId", d.run_id as "runId", d.tenant_id as "tenantId", d.status, d.confidential as "isConfidential", d.attempts`,
    [limit, leaseMs],
  );
}

type DeliveryRef = Pick<DueDelivery, "listenerId" | "runId">;
type Settled = { outcome: "done" | "failed"; startedRunId?: string; reason?: string };
export async function settleDelivery(
  tx: Tx,
  { listenerId, runId }: DeliveryRef,
  { outcome, startedRunId, reason }: Settled,
): Promise<void> {
  await tx.query(
    `update listener_deliveries set outcome = $3, started_run_id = $4, reason = $5, settled_at = now() where listener_id = $1 and run_id = $2`,
    [listenerId, runId, outcome, startedRunId ?? null, reason ?? null],
  );
}

export async function delayDelivery(
  tx: Tx,
  { listenerId, runId }: DeliveryRef,
  { ms, reason }: { ms: number; reason: string },
): Promise<void> {
  await tx.query(
    `update listener_deliveries set try_at = now() + $3 * interval '1 ms', reason = $4 where listener_id = $1 and run_id = $2 and outcome = 'due'`,
    [listenerId, runId, ms, reason],
  );
}

/** Of listeners that were deleted while a run ended. */
export async function dropDelivery(tx: Tx, { listenerId, runId }: DeliveryRef): Promise<void> {
  await tx.query("delete from listener_deliveries where listener_id = $1 and run_id = $2", [listenerId, runId]);
}

export async function forgetListenerDeliveries(tx: Tx, days: number): Promise<void> {
  await tx.query("delete from listener_deliveries where settled_at < now() - make_interval(days => $1)", [days]);
}

type DeliveryRow = Omit<ListenerDelivery, "createdAt" | "settledAt"> & { createdAt: Date; settledAt: Date | null };
/** The newest runs first. */
export async function selectDeliveries(
  tx: Tx,
  page: { listenerId: string; before: string | undefined; limit: number },
): Promise<ListenerDelivery[]> {
  const rows = await tx.query<DeliveryRow>(
    `select run_id as "runId", status, outcome, attempts, started_run_id as "startedRunId", reason, created_at as "createdAt", settled_at as "settledAt"
     from listener_deliveries where listener_id = $1 and ($2::uuid is null or run_id < $2) order by run_id desc limit $3`,
    [page.listenerId, page.before, page.limit],
  );
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString(), settledAt: row.settledAt?.toISOString() ?? null }));
}

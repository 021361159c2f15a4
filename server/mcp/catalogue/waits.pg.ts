import type { StepRef, Tx } from "#server/kernel/ports.ts";

/** A step of a run that waits until its tool is approved or rejected. */
export type ToolWait = { tenantId: string; runId: string; scope: string; nodeId: string; since: Date };

type Waiting = { tenantId: string; serverId: string; tool: string; step: StepRef };

/** Written before the step learns that it has to wait. */
export async function insertWait(tx: Tx, { tenantId, serverId, tool, step }: Waiting): Promise<void> {
  await tx.query(
    `insert into mcp_tool_waits as w (run_id, scope, node_id, tenant_id, server_id, tool) values ($1, $2, $3, $4, $5, $6)
     on conflict (run_id, scope, node_id) do update set server_id = excluded.server_id, tool = excluded.tool, times = w.times + 1, since = now()`,
    [step.runId, step.scope, step.nodeId, tenantId, serverId, tool],
  );
}

type Row = { tenant_id: string; run_id: string; scope: string; node_id: string; since: Date };
const fromRow = (row: Row): ToolWait => ({
  tenantId: row.tenant_id,
  runId: row.run_id,
  scope: row.scope,
  nodeId: row.node_id,
  since: row.since,
});
const COLUMNS = "w.tenant_id, w.run_id, w.scope, w.node_id, w.since";

/** Oldest first. */
export async function waitsForTool(tx: Tx, { serverId, tool }: { serverId: string; tool: string }): Promise<ToolWait[]> {
  const rows = await tx.query<Row>(`select ${COLUMNS} from mcp_tool_waits w where server_id = $1 and tool = $2 order by since`, [
    serverId,
    tool,
  ]);
  return rows.map(fromRow);
}

const WAITS_AT_ONCE = 200;

/**
 * Of all tenants, those that have nothing to wait for any more: their tool is approved, rejected, disabled or gone. A step that keeps coming
 * back is left alone for longer each time, up to five minutes.
 */
export async function settledWaits(tx: Tx): Promise<ToolWait[]> {
  const rows = await tx.query<Row>(
    `select ${COLUMNS} from mcp_tool_waits w
     where w.since + least(power(2, least(w.times, 10)), 300) * interval '0.25 seconds' < now() and not exists (
       select from mcp_tools t join mcp_servers s on s.id = t.server_id
       where t.server_id = w.server_id and t.name = w.tool and t.listed and t.approval = 'changed' and not t.is_disabled and s.deleted_at is null)
     order by w.since limit $1`,
    [WAITS_AT_ONCE],
  );
  return rows.map(fromRow);
}

/** Unless the step has come to wait once more. */
export async function forgetWait(tx: Tx, { runId, scope, nodeId, since }: ToolWait): Promise<void> {
  await tx.query("delete from mcp_tool_waits where run_id = $1 and scope = $2 and node_id = $3 and since <= $4", [
    runId,
    scope,
    nodeId,
    new Date(since.getTime() + 1),
  ]);
}

import type { Environment } from "#contract/common.ts";
import type { Database } from "../../kernel/ports.ts";

export type LiveVersion = { workflowId: string; version: number; runs: number };

/** How many runs that are not over each version of a workflow has. */
export const liveRunsByVersion =
  ({ database }: { database: Database }) =>
  async ({ tenantId, environment }: { tenantId: string; environment: Environment }): Promise<LiveVersion[]> =>
    database.asTenant(tenantId, async (tx) => {
      const rows = await tx.query<{ workflow_id: string; version: number; runs: number }>(
        `select workflow_id, version, count(*)::int4 as runs from runs
         where status in ('queued', 'running', 'waiting', 'paused', 'cancelling', 'compensating') and environment = $1
         group by workflow_id, version`,
        [environment],
      );
      return rows.map(({ workflow_id: workflowId, version, runs }) => ({ workflowId, version, runs }));
    });

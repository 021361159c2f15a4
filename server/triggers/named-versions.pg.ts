import type { Tx } from "#server/kernel/ports.ts";

/** The versions that triggers start by their numbers: they need not be the newest. */
export async function selectNamedVersions(tx: Tx): Promise<{ workflowId: string; version: number }[]> {
  return tx.query(
    `select workflow_id as "workflowId", version from schedules where version is not null
     union select workflow_id, version from webhooks where version is not null
     union select (action ->> 'workflowId')::uuid, (action ->> 'version')::int4 from run_listeners where action ->> 'version' is not null`,
  );
}

import type { Tx } from "#server/kernel/ports.ts";
import type { PinnedTool } from "./catalogue.ts";
import type { Neighbour } from "./scan/neighbours.ts";

/** A tool that a server of an environment lists, without its definition. */
export type Around = Neighbour & { id: string; hash: string };

type Place = { tenantId: string; environment: string };

/**
 * Until the transaction ends, nobody else changes what the servers of this environment list, or what of it is approved. Taken before
 * any row is written: whoever comes second sees what the first one has written, so that neither order escapes the scan.
 */
export async function holdSurroundings(tx: Tx, { tenantId, environment }: Place): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtext('auterity_tools_around'), hashtext($1))", [`${tenantId} ${environment}`]);
}

/** What all servers of an environment list. */
export async function toolsAround(tx: Tx, environment: string): Promise<Around[]> {
  return tx.query<Around>(
    `select t.id, t.server_id as "serverId", s.name as server, t.name as tool, t.hash, t.approval = 'approved' as "isApproved"
     from mcp_tools t join mcp_servers s on s.id = t.server_id
     where t.listed and s.deleted_at is null and s.environment = $1 order by s.name, t.name`,
    [environment],
  );
}

export async function definitionsOf(tx: Tx, ids: readonly string[]): Promise<{ hash: string; text: string }[]> {
  return tx.query("select hash, definition as text from mcp_tools where id = any($1)", [ids]);
}

/** What is found in definitions, as long as they are still those that are listed. */
export async function saveFindings(tx: Tx, tools: readonly PinnedTool[]): Promise<void> {
  const rows = tools.map(({ id, hash, findings, isFlagged }) => ({ id, hash, findings, is_flagged: isFlagged }));
  await tx.query(
    `update mcp_tools t set findings = new.findings, is_flagged = new.is_flagged, updated_at = now()
     from jsonb_to_recordset($1::jsonb) as new (id uuid, hash text, findings text[], is_flagged boolean)
     where t.id = new.id and t.hash = new.hash`,
    [JSON.stringify(rows)],
  );
}

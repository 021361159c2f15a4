import { z } from "zod";
import { Effect } from "#contract/policy.ts";
import { APPROVALS, type Tool } from "#contract/mcp/tools.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { PinnedTool } from "./catalogue.ts";
import type { Neighbour } from "./scan/neighbours.ts";
import { parseDefinition, showDefinition } from "./tool-definition.ts";

const Row = z.object({
  id: z.string(),
  server_id: z.string(),
  name: z.string(),
  definition: z.string(),
  hash: z.string(),
  approved_hash: z.string().nullable(),
  approval: z.enum(APPROVALS),
  effect: Effect,
  findings: z.array(z.string()),
  listed: z.boolean(),
});
const NamedRow = Row.extend({ server_name: z.string() });

/** A tool with the server that lists it. */
export type ServerTool = { serverId: string; serverName: string; tool: PinnedTool };

const toPinned = (row: z.infer<typeof Row>): PinnedTool => ({
  id: row.id,
  name: row.name,
  text: row.definition,
  hash: row.hash,
  approvedHash: row.approved_hash,
  approval: row.approval,
  effect: row.effect,
  findings: row.findings,
  listed: row.listed,
});

function fromRow(raw: unknown): ServerTool {
  const row = NamedRow.parse(raw);
  return { serverId: row.server_id, serverName: row.server_name, tool: toPinned(row) };
}

/** A tool as callers see it. */
export function viewTool({ serverId, serverName, tool }: ServerTool): Tool {
  const { id, name, hash, approval, effect, findings } = tool;
  return { id, serverId, serverName, name, hash, approval, effect, findings: [...findings], ...showDefinition(parseDefinition(tool.text)) };
}

/** All that is known of a server's tools, also those that it does not list any more. */
export async function toolsOfServer(tx: Tx, serverId: string): Promise<PinnedTool[]> {
  return (await tx.query("select * from mcp_tools where server_id = $1", [serverId])).map((row) => toPinned(Row.parse(row)));
}

export async function saveTool(
  tx: Tx,
  { tenantId, serverId, tool, by }: { tenantId: string; serverId: string; tool: PinnedTool; by: string },
): Promise<void> {
  await tx.query(
    `insert into mcp_tools as t (id, tenant_id, server_id, name, definition, hash, approved_definition, approved_hash, approved_by, approved_at,
       approval, effect, findings, listed)
     values ($1, $2, $3, $4, $5, $6, case when $7::text is null then null else $5 end, $7, case when $7::text is null then null else $8 end,
       case when $7::text is null then null else now() end, $9, $10, $11, $12)
     on conflict (server_id, name) do update set definition = excluded.definition, hash = excluded.hash, approval = excluded.approval,
       effect = excluded.effect, findings = excluded.findings, listed = excluded.listed, updated_at = now(),
       approved_definition = case when excluded.approval = 'approved' then excluded.definition else t.approved_definition end,
       approved_hash = excluded.approved_hash,
       approved_by = case when t.approved_hash is distinct from excluded.approved_hash then $8 else t.approved_by end,
       approved_at = case when t.approved_hash is distinct from excluded.approved_hash then now() else t.approved_at end`,
    [
      tool.id,
      tenantId,
      serverId,
      tool.name,
      tool.text,
      tool.hash,
      tool.approvedHash,
      by,
      tool.approval,
      tool.effect,
      [...tool.findings],
      tool.listed,
    ],
  );
}

const SELECT = `
  select t.*, s.name as server_name from mcp_tools t join mcp_servers s on s.id = t.server_id
  where t.listed and s.deleted_at is null`;

export async function findTool(tx: Tx, id: string): Promise<ServerTool | undefined> {
  const [row] = await tx.query(`${SELECT} and t.id = $1`, [id]);
  return row && fromRow(row);
}

/** What a server lists, by name. */
export async function listedTools(tx: Tx, serverId: string): Promise<ServerTool[]> {
  return (await tx.query(`${SELECT} and t.server_id = $1 order by t.name`, [serverId])).map(fromRow);
}

/** What other servers of the same environment list. */
export async function neighboursOf(tx: Tx, { id, environment }: { id: string; environment: string }): Promise<Neighbour[]> {
  const rows = await tx.query<{ server: string; tool: string; is_approved: boolean }>(
    `select s.name as server, t.name as tool, t.approval = 'approved' as is_approved from mcp_tools t join mcp_servers s on s.id = t.server_id
     where t.listed and s.deleted_at is null and s.environment = $2 and s.id <> $1 order by s.name, t.name`,
    [id, environment],
  );
  return rows.map(({ server, tool, is_approved: isApproved }) => ({ server, tool, isApproved }));
}

type ToolQuery = { limit: number; cursor?: string; q?: string };

/** Newest first. `q` finds parts of names and definitions. */
export async function pageTools(tx: Tx, { limit, cursor, q }: ToolQuery): Promise<{ items: ServerTool[]; nextCursor: string | null }> {
  const [after] = decodeCursor(cursor, [UUID]) ?? [];
  const rows = await tx.query(
    `${SELECT} and ($2::uuid is null or t.id < $2) and ($3::text is null or position(lower($3) in lower(t.definition)) > 0)
     order by t.id desc limit $1`,
    [limit + 1, after ?? null, q ?? null],
  );
  return toPage(rows.map(fromRow), { limit, map: (tool) => tool, key: ({ tool }) => [tool.id] });
}

import { z } from "zod";
import { Environment } from "#contract/common.ts";
import { Effect } from "#contract/policy.ts";
import { APPROVALS, type Tool } from "#contract/mcp/tools.ts";
import { UUID, decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Tx } from "#server/kernel/ports.ts";
import { likeAnywhere, likeText, searched, wordPatterns } from "#server/kernel/search-words.ts";
import type { PinnedTool } from "./catalogue.ts";
import { recordListing } from "./definitions.pg.ts";
import { parseDefinition, searchText, showDefinition } from "./tool-definition.ts";

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
  is_flagged: z.boolean(),
  listed: z.boolean(),
  is_disabled: z.boolean(),
  reason: z.string().nullable(),
});
const NamedRow = Row.extend({ server_name: z.string(), environment: Environment });

/** A tool with the server that lists it. */
export type ServerTool = { serverId: string; serverName: string; environment: Environment; tool: PinnedTool };

const toPinned = (row: z.infer<typeof Row>): PinnedTool => ({
  id: row.id,
  name: row.name,
  text: row.definition,
  hash: row.hash,
  approvedHash: row.approved_hash,
  approval: row.approval,
  effect: row.effect,
  findings: row.findings,
  isFlagged: row.is_flagged,
  listed: row.listed,
  isDisabled: row.is_disabled,
  reason: row.reason,
});

function fromRow(raw: unknown): ServerTool {
  const row = NamedRow.parse(raw);
  return { serverId: row.server_id, serverName: row.server_name, environment: row.environment, tool: toPinned(row) };
}

/** A tool as callers see it. */
export function viewTool({ serverId, serverName, tool }: ServerTool): Tool {
  const { id, name, hash, approval, isDisabled, reason, effect, findings, isFlagged } = tool;
  const state = { hash, approval, isEnabled: !isDisabled, reason, effect, findings: [...findings], isFlagged };
  return { id, serverId, serverName, name, ...state, ...showDefinition(parseDefinition(tool.text)) };
}

/** All that is known of a server's tools, also those that it does not list any more. */
export async function toolsOfServer(tx: Tx, serverId: string): Promise<PinnedTool[]> {
  return (await tx.query("select * from mcp_tools where server_id = $1", [serverId])).map((row) => toPinned(Row.parse(row)));
}

/** Of these names, those that it has ever listed. */
export async function toolsWithNames(tx: Tx, serverId: string, names: readonly string[]): Promise<PinnedTool[]> {
  const rows = await tx.query("select * from mcp_tools where server_id = $1 and name = any($2)", [serverId, names]);
  return rows.map((row) => toPinned(Row.parse(row)));
}

type Saved = { tenantId: string; serverId: string; tool: PinnedTool; by: string };

/** Writes a tool as it is now, and into the history of its definitions. `by`: who has decided, if that is new. */
export async function saveTool(tx: Tx, saved: Saved): Promise<void> {
  await writeTool(tx, saved);
  await recordListing(tx, saved);
}

async function writeTool(tx: Tx, { tenantId, serverId, tool, by }: Saved): Promise<void> {
  await tx.query(
    `insert into mcp_tools as t (id, tenant_id, server_id, name, definition, hash, approved_definition, approved_hash, approved_by, approved_at,
       approval, effect, findings, listed, is_disabled, reason, search, is_flagged)
     values ($1, $2, $3, $4, $5, $6, case when $7::text is null then null else $5 end, $7, case when $7::text is null then null else $8 end,
       case when $7::text is null then null else now() end, $9, $10, $11, $12, $13, $14, $15, $16)
     on conflict (server_id, name) do update set definition = excluded.definition, hash = excluded.hash, approval = excluded.approval,
       effect = excluded.effect, findings = excluded.findings, listed = excluded.listed, updated_at = now(),
       is_disabled = excluded.is_disabled, reason = excluded.reason, search = excluded.search, is_flagged = excluded.is_flagged,
       approved_definition = case when excluded.approval = 'approved' then excluded.definition else t.approved_definition end,
       approved_hash = excluded.approved_hash,
       approved_by = case when excluded.approved_hash is null then null when t.approved_hash is distinct from excluded.approved_hash then $8 else t.approved_by end,
       approved_at = case when excluded.approved_hash is null then null when t.approved_hash is distinct from excluded.approved_hash then now() else t.approved_at end`,
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
      tool.isDisabled,
      tool.reason,
      searchText(parseDefinition(tool.text)),
      tool.isFlagged,
    ],
  );
}

const KNOWN = `
  select t.*, s.name as server_name, s.environment from mcp_tools t join mcp_servers s on s.id = t.server_id
  where s.deleted_at is null`;
const SELECT = `${KNOWN} and t.listed`;

/** Also one that its server does not list at present. */
export async function findKnownTool(tx: Tx, id: string): Promise<ServerTool | undefined> {
  const [row] = await tx.query(`${KNOWN} and t.id = $1`, [id]);
  return row && fromRow(row);
}

export async function findTool(tx: Tx, id: string): Promise<ServerTool | undefined> {
  const [row] = await tx.query(`${SELECT} and t.id = $1`, [id]);
  return row && fromRow(row);
}

export async function toolsWithIds(tx: Tx, ids: readonly string[]): Promise<ServerTool[]> {
  return (await tx.query(`${SELECT} and t.id = any($1)`, [ids])).map(fromRow);
}

/** What a server lists, by name. */
export async function listedTools(tx: Tx, serverId: string): Promise<ServerTool[]> {
  return (await tx.query(`${SELECT} and t.server_id = $1 order by t.name`, [serverId])).map(fromRow);
}

type ToolQuery = {
  limit: number;
  cursor?: string | undefined;
  q?: string | undefined;
  approval?: PinnedTool["approval"] | undefined;
  flagged?: boolean | undefined;
  /** Only what may be called, of this environment. */
  usableIn?: Environment;
};

/** Says of a row what `isUsable` says of a tool. */
const USABLE = "t.approval = 'approved' and t.hash = t.approved_hash and not t.is_disabled";

/** What of a definition is searched when it was written by a version that did not store it apart. */
const SEARCHED = "coalesce(t.search, lower(t.definition))";

/**
 * Newest first. `q`: each of its words must be in the name, the title, the description or those of a parameter; then those come first
 * whose name is `q`, begins with it or has it, and those whose name has its words.
 */
export async function pageTools(
  tx: Tx,
  { limit, cursor, q, approval, flagged, usableIn }: ToolQuery,
): Promise<{ items: ServerTool[]; nextCursor: string | null }> {
  const [rank, after] = decodeCursor(cursor, [/^[0-4]$/, UUID]) ?? [];
  const whole = searched(q);
  const rows = await tx.query(
    `with found as (
       select t.id, case when $4 = '' or t.name ilike $4 then 0 when t.name ilike $5 then 1 when t.name ilike $6 then 2
           when t.name ilike all ($7::text[]) then 3 else 4 end as rank
       from mcp_tools t join mcp_servers s on s.id = t.server_id
       where t.listed and s.deleted_at is null and ($8::text is null or t.approval = $8) and ($4 = '' or ${SEARCHED} like all ($7::text[]))
         and ($9::text is null or (s.environment = $9 and ${USABLE})) and ($10::boolean is null or t.is_flagged = $10)
     ), page as (
       select id, rank from found where $2::int4 is null or rank > $2 or (rank = $2 and id < $3::uuid) order by rank, id desc limit $1
     )
     select t.*, s.name as server_name, s.environment, page.rank from page join mcp_tools t on t.id = page.id join mcp_servers s on s.id = t.server_id
     order by page.rank, t.id desc`,
    [
      limit + 1,
      rank === undefined ? null : Number(rank),
      after ?? null,
      likeText(whole),
      `${likeText(whole)}%`,
      likeAnywhere(whole),
      wordPatterns(q),
      approval ?? null,
      usableIn ?? null,
      flagged ?? null,
    ],
  );
  const ranked = rows.map((row) => ({ item: fromRow(row), rank: Ranked.parse(row).rank }));
  return toPage(ranked, { limit, map: ({ item }) => item, key: ({ item, rank }) => [String(rank), item.tool.id] });
}

const Ranked = z.object({ rank: z.number().int() });

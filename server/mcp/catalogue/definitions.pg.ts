import { z } from "zod";
import { LIMITS } from "#contract/limits.ts";
import type { SeenDefinition } from "#contract/mcp/tool-review.ts";
import type { Tx } from "#server/kernel/ports.ts";
import type { PinnedTool } from "./catalogue.ts";

type Listing = { tenantId: string; tool: PinnedTool; by: string };

/**
 * Writes down what a tool's server lists now and, if it is approved or rejected now and was not before, who has said so. What it
 * listed before was last seen now.
 */
export async function recordListing(tx: Tx, { tenantId, tool, by }: Listing): Promise<void> {
  const { id, hash, text, approval, listed, reason } = tool;
  const decision = approval === "approved" || approval === "rejected" ? approval : null;
  await tx.query(
    "update mcp_tool_definitions set last_seen_at = now() where tool_id = $1 and last_seen_at is null and (hash <> $2 or not $3)",
    [id, hash, listed],
  );
  await tx.query(
    `insert into mcp_tool_definitions as d (tool_id, tenant_id, hash, definition, last_seen_at, decision, decided_by, decided_at, reason)
     values ($1, $2, $3, $4, case when $5 then null else now() end, $6, $7, case when $6::text is null then null else now() end, $8)
     on conflict (tool_id, hash) do update set
       times = d.times + case when $5 and d.last_seen_at is not null then 1 else 0 end,
       last_seen_at = case when $5 then null else d.last_seen_at end,
       decision = coalesce(excluded.decision, d.decision),
       decided_by = case when excluded.decision is null or excluded.decision = d.decision then d.decided_by else excluded.decided_by end,
       decided_at = case when excluded.decision is null or excluded.decision = d.decision then d.decided_at else excluded.decided_at end,
       reason = case when excluded.decision is null or excluded.decision = d.decision then d.reason else excluded.reason end`,
    [id, tenantId, hash, text, listed, decision, decision && by, decision === "rejected" ? reason : null],
  );
  await tx.query(
    `delete from mcp_tool_definitions where tool_id = $1 and last_seen_at is not null and hash in (
       select hash from mcp_tool_definitions where tool_id = $1 and decision is null order by first_seen_at desc, hash offset $2)`,
    [id, LIMITS.toolDefinitionsKept],
  );
}

const Row = z.object({
  hash: z.string(),
  times: z.number(),
  first_seen_at: z.date(),
  last_seen_at: z.date().nullable(),
  decision: z.enum(["approved", "rejected"]).nullable(),
  decided_by: z.string().nullable(),
  decided_at: z.date().nullable(),
  reason: z.string().nullable(),
});

/** Newest first. */
export async function seenDefinitions(tx: Tx, toolId: string): Promise<SeenDefinition[]> {
  const rows = await tx.query(
    `select hash, times, first_seen_at, last_seen_at, decision, decided_by, decided_at, reason from mcp_tool_definitions
     where tool_id = $1 order by first_seen_at desc, last_seen_at desc nulls first`,
    [toolId],
  );
  return rows.map((raw) => {
    const row = Row.parse(raw);
    return {
      hash: row.hash,
      firstSeenAt: row.first_seen_at.toISOString(),
      lastSeenAt: row.last_seen_at?.toISOString() ?? null,
      times: row.times,
      decision: row.decision,
      decidedBy: row.decided_by,
      decidedAt: row.decided_at?.toISOString() ?? null,
      reason: row.reason,
    };
  });
}

/** The canonical text of a definition that was listed once. */
export async function findDefinition(tx: Tx, toolId: string, hash: string): Promise<string | undefined> {
  const [row] = await tx.query<{ definition: string }>("select definition from mcp_tool_definitions where tool_id = $1 and hash = $2", [
    toolId,
    hash,
  ]);
  return row?.definition;
}

import { z } from "zod";
import type { AuditEntry } from "#contract/access.ts";
import type { Page, PageQuery } from "#contract/common.ts";
import { decodeCursor, toPage } from "#server/kernel/paging.ts";
import type { Database } from "#server/kernel/ports.ts";

type Row = {
  seq: string;
  at: string;
  actor: string;
  action: string;
  target: string;
  outcome: "allow" | "deny";
  reason: string | null;
  details: string;
};
const Details = z.record(z.string(), z.json());

/** Newest first. `action` is exact. */
export const listEntries =
  (database: Database) =>
  async (tenantId: string, { limit, cursor, action }: PageQuery & { action?: string }): Promise<Page<AuditEntry>> => {
    const [before = null] = decodeCursor(cursor, [/^\d{1,15}$/]) ?? [];
    const rows = await database.asTenant(tenantId, (tx) =>
      tx.query<Row>(
        `select seq, at, actor, action, target, outcome, reason, details from audit_log
         where tenant_id = $1 and ($2::bigint is null or seq < $2) and ($3::text is null or action = $3)
         order by seq desc limit $4`,
        [tenantId, before, action ?? null, limit + 1],
      ),
    );
    return toPage(rows, { limit, map: fromRow, key: (row) => [row.seq] });
  };

const fromRow = (row: Row): AuditEntry => ({ ...row, seq: Number(row.seq), details: readDetails(row.details) });

/** What somebody wrote into the database by hand is shown as it is, so that the trail can still be read. */
function readDetails(text: string): AuditEntry["details"] {
  try {
    return Details.parse(JSON.parse(text));
  } catch {
    return { unreadable: text };
  }
}

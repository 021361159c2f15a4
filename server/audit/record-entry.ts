import { AppError } from "#server/kernel/errors.ts";
import type { Audit, AuditRecord, Redactor, Tx } from "#server/kernel/ports.ts";
import type { Chain, ChainEntry, ChainHead } from "./chain.ts";

const TEXT_CHARS = 512;
const DETAILS_CHARS = 16_384;

/**
 * Two statements in the caller's transaction: the first locks the tenant's head until that transaction ends, which is what
 * makes the numbers gapless and costs concurrent writers of one tenant their turn; so record late in a transaction. When
 * either fails, the change that it tells of fails too.
 */
export const recordEntry = (chain: Chain, redactor: Redactor): Audit => ({
  record: async (tx, record) => {
    const { head, at } = await lockHead(tx, chain, record.tenantId);
    const entry = toEntry(record, redactor, { seq: head.seq + 1, at });
    await append(tx, entry, { hash: chain.next(head.hash, entry), chain });
  },
});

async function lockHead(tx: Tx, chain: Chain, tenantId: string): Promise<{ head: ChainHead; at: string }> {
  const genesis = chain.genesis(tenantId);
  const [row] = await tx.query<{ seq: string; hash: Buffer; at: Date }>(
    `insert into audit_heads (tenant_id, seq, hash, mac) values ($1, $2, $3, $4)
     on conflict (tenant_id) do update set seq = audit_heads.seq returning seq, hash, clock_timestamp() as at`,
    [tenantId, genesis.seq, genesis.hash, chain.mac(tenantId, genesis)],
  );
  if (!row) throw new AppError("internal", `The audit trail of tenant ${tenantId} has no head.`);
  return { head: { seq: Number(row.seq), hash: row.hash }, at: row.at.toISOString() };
}

async function append(tx: Tx, entry: ChainEntry, { hash, chain }: { hash: Buffer; chain: Chain }): Promise<void> {
  await tx.query(
    `with entry as (
       insert into audit_log (tenant_id, seq, at, actor, action, target, outcome, reason, details, hash)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     )
     update audit_heads set seq = $2, hash = $10, mac = $11 where tenant_id = $1`,
    [
      entry.tenantId,
      entry.seq,
      entry.at,
      entry.actor,
      entry.action,
      entry.target,
      entry.outcome,
      entry.reason,
      entry.details,
      hash,
      chain.mac(entry.tenantId, { seq: entry.seq, hash }),
    ],
  );
}

function toEntry(record: AuditRecord, redactor: Redactor, { seq, at }: { seq: number; at: string }): ChainEntry {
  const clean = (text: string): string => storable(redactor.text(text), TEXT_CHARS);
  return {
    tenantId: record.tenantId,
    seq,
    at,
    actor: clean(record.actor),
    action: clean(record.action),
    target: clean(record.target),
    outcome: record.outcome ?? "allow",
    reason: record.reason === undefined ? null : clean(record.reason),
    details: detailsText(redactor.json(record.details ?? {})),
  };
}

/** JSON escapes NUL and lone surrogates. Details never make the change fail: those that are too long are left out, and say so. */
function detailsText(details: NonNullable<AuditRecord["details"]>): string {
  const text = JSON.stringify(details);
  return text.length <= DETAILS_CHARS ? text : JSON.stringify({ omitted: `${text.length} characters` });
}

/** PostgreSQL's text takes neither NUL nor half a surrogate pair. */
function storable(text: string, chars: number): string {
  const cut = text.length <= chars ? text : `${text.slice(0, chars - 1)}…`;
  return cut.toWellFormed().replaceAll("\0", "\uFFFD");
}

import { AppError } from "#server/kernel/errors.ts";
import type { Audit, Redactor, Tx } from "#server/kernel/ports.ts";
import type { Chain, ChainEntry, ChainHead } from "./chain.ts";
import { linkEntries, type Link } from "./link-entries.ts";

/**
 * Two statements in the caller's transaction, however many entries: the first locks the tenant's head until that transaction
 * ends, which is what makes the numbers gapless and costs concurrent writers of one tenant their turn; so record late in a
 * transaction. When either fails, the change that it tells of fails too.
 */
export const recordEntry = (chain: Chain, redactor: Redactor): Audit => {
  const link = linkEntries(chain, redactor);
  return {
    record: async (tx, ...records) => {
      const [first] = records;
      if (!first) return;
      const { tenantId } = first;
      const { head, at } = await lockHead(tx, chain, tenantId);
      await append(tx, chain, link({ tenantId, head, at }, records));
    },
  };
};

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

async function append(tx: Tx, chain: Chain, links: readonly Link[]): Promise<void> {
  const last = links.at(-1);
  if (!last) return;
  const { tenantId, seq, at } = last.entry;
  const column = <T>(pick: (entry: ChainEntry) => T): T[] => links.map(({ entry }) => pick(entry));
  await tx.query(
    `with entries as (
       insert into audit_log (tenant_id, seq, at, actor, action, target, outcome, reason, details, hash)
       select $1, e.seq, $2, e.actor, e.action, e.target, e.outcome, e.reason, e.details, e.hash
       from unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[])
         as e (seq, actor, action, target, outcome, reason, details, hash)
     )
     update audit_heads set seq = $11, hash = $12, mac = $13 where tenant_id = $1`,
    [
      tenantId,
      at,
      column((entry) => entry.seq),
      column((entry) => entry.actor),
      column((entry) => entry.action),
      column((entry) => entry.target),
      column((entry) => entry.outcome),
      column((entry) => entry.reason),
      column((entry) => entry.details),
      links.map(({ hash }) => hash),
      seq,
      last.hash,
      chain.mac(tenantId, { seq, hash: last.hash }),
    ],
  );
}

import type { Database, Tx } from "#server/kernel/ports.ts";
import type { Chain, ChainEntry, ChainHead } from "./chain.ts";

const PAGE = 1_000;

export type Verdict = { valid: boolean; entries: number; firstBroken: number | null };
type HeadRow = { seq: string; hash: Buffer; mac: Buffer };
type EntryRow = Omit<ChainEntry, "tenantId" | "seq"> & { seq: string; hash: Buffer };

/**
 * Recomputes the chain from its beginning, in pages. `firstBroken` is the first sequence number at which what is stored is
 * not what was written: changed, missing, moved, or beyond the recorded end.
 */
export const verifyChain =
  (database: Database, chain: Chain) =>
  async (tenantId: string): Promise<Verdict> =>
    database.asTenant(tenantId, async (tx) => {
      const head = await readHead(tx, tenantId);
      const walked = await walk(tx, { chain, tenantId, upTo: head?.seq ?? 0 });
      const broken = walked.firstBroken ?? brokenEnd(head, walked.end) ?? (await beyondHead(tx, tenantId));
      const macHolds = head === undefined || chain.mac(tenantId, head).equals(head.mac);
      const firstBroken = broken ?? (macHolds ? null : walked.end.seq);
      return { valid: firstBroken === null, entries: walked.entries, firstBroken };
    });

async function readHead(tx: Tx, tenantId: string): Promise<(ChainHead & { mac: Buffer }) | undefined> {
  const [row] = await tx.query<HeadRow>("select seq, hash, mac from audit_heads where tenant_id = $1", [tenantId]);
  return row && { seq: Number(row.seq), hash: row.hash, mac: row.mac };
}

type Walk = { chain: Chain; tenantId: string; upTo: number };
type Walked = { end: ChainHead; entries: number; firstBroken: number | null };

async function walk(tx: Tx, { chain, tenantId, upTo }: Walk): Promise<Walked> {
  let end = chain.genesis(tenantId);
  let entries = 0;
  for (;;) {
    const rows = await readPage(tx, { tenantId, after: end.seq, upTo });
    for (const row of rows) {
      entries += 1;
      const entry = { ...row, tenantId, seq: Number(row.seq) };
      const hash = chain.next(end.hash, entry);
      if (entry.seq !== end.seq + 1 || !hash.equals(row.hash)) return { end, entries, firstBroken: end.seq + 1 };
      end = { seq: entry.seq, hash };
    }
    if (rows.length < PAGE) return { end, entries, firstBroken: null };
  }
}

type PageOf = { tenantId: string; after: number; upTo: number };
const readPage = (tx: Tx, { tenantId, after, upTo }: PageOf): Promise<EntryRow[]> =>
  tx.query<EntryRow>(
    `select seq, at, actor, action, target, outcome, reason, details, hash from audit_log
     where tenant_id = $1 and seq > $2 and seq <= $3 order by seq limit $4`,
    [tenantId, after, upTo, PAGE],
  );

/** The rows end before the head, or with another hash than the head's: entries were removed at the end. */
function brokenEnd(head: ChainHead | undefined, end: ChainHead): number | null {
  if (head === undefined) return null;
  if (head.seq !== end.seq) return end.seq + 1;
  return head.hash.equals(end.hash) ? null : end.seq;
}

/** One statement sees rows and head at one moment, so entries that are being added meanwhile are not taken for forged ones. */
async function beyondHead(tx: Tx, tenantId: string): Promise<number | null> {
  const [row] = await tx.query<{ first: string | null }>(
    `select min(seq) as first from audit_log
     where tenant_id = $1 and seq > coalesce((select seq from audit_heads where tenant_id = $1), 0)`,
    [tenantId],
  );
  return row?.first === null || row === undefined ? null : Number(row.first);
}

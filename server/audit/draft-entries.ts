import { LRUCache } from "lru-cache";
import { ArrayColumn } from "#server/kernel/array-column.ts";
import type { AuditDrafts, Database, PreparedStatement, Redactor } from "#server/kernel/ports.ts";
import type { Chain, ChainEntry, ChainHead } from "./chain.ts";
import { linkEntries, type Link } from "./link-entries.ts";

const HEADS_KEPT = 1_000;
/** After this the clocks may have drifted apart; the head is read again. */
const HEAD_TTL_MS = 60_000;

/** A head as this process last saw it. `clock`: the database's time then, and this process's monotonic time when that was heard. */
type SeenHead = ChainHead & { clock: { at: number; heardAt: number } };

/**
 * Links are made on the head that this process has seen last, without locking it; the statement that stores them moves the head
 * only if it is still there. Equal hash and number mean an equal chain, so nothing that others have recorded can be lost: a draft
 * on an old head records nothing. Times are the database's, carried on by the monotonic clock of this process: they are never ahead
 * of the database's own, and so never behind those of entries that come later.
 */
export function createAuditDrafts(database: Database, chain: Chain, redactor: Redactor): AuditDrafts {
  const heads = new LRUCache<string, SeenHead>({ max: HEADS_KEPT, ttl: HEAD_TTL_MS });
  const link = linkEntries(chain, redactor);
  return {
    sql,
    draft: async (tenantId, records) => {
      const head = heads.get(tenantId) ?? (await readHead(database, tenantId));
      if (!head) return undefined;
      const { at, heardAt } = head.clock;
      const now = new Date(Math.floor(at + performance.now() - heardAt)).toISOString();
      const links = link({ tenantId, head, at: now }, records);
      const last = links.at(-1);
      const next = { seq: head.seq + links.length, hash: last?.hash ?? head.hash };
      return {
        values: valuesOf({ tenantId, head, next, at: now }, links, chain.mac(tenantId, next)),
        settle: (result) => {
          if (result.kind === "recorded") heads.set(tenantId, { ...next, clock: { at: result.at, heardAt: performance.now() } });
          else heads.delete(tenantId);
        },
      };
    },
  };
}

const HEAD: Omit<PreparedStatement, "values"> = {
  name: "audit_head",
  text: "select seq, encode(hash, 'hex'), extract(epoch from clock_timestamp()) * 1000 from audit_heads where tenant_id = $1",
};

async function readHead(database: Database, tenantId: string): Promise<SeenHead | undefined> {
  const [row] = await database.statement(tenantId, { ...HEAD, values: [tenantId] });
  const [seq, hash, at] = row ?? [];
  if (seq == null || hash == null || at == null) return undefined;
  return { seq: Number(seq), hash: Buffer.from(hash, "hex"), clock: { at: Number(at), heardAt: performance.now() } };
}

const COLUMNS = [
  ["seq", "bigint"],
  ["actor", "text"],
  ["action", "text"],
  ["target", "text"],
  ["outcome", "text"],
  ["reason", "text"],
  ["details", "text"],
  ["hash", "bytea"],
] as const;

function sql(first: number, onlyIf = "true"): string {
  const p = (offset: number): string => `$${first + offset}`;
  const names = COLUMNS.map(([name]) => name).join(", ");
  const arrays = COLUMNS.map(([, type], i) => `unnest(${p(7 + i)}::${type}[])`).join(", ");
  return `audit_head as (
    update audit_heads set seq = ${p(1)}::bigint, hash = ${p(2)}::bytea, mac = ${p(3)}::bytea
    where tenant_id = ${p(0)}::uuid and seq = ${p(4)}::bigint and hash = ${p(5)}::bytea and ${onlyIf} returning tenant_id
  ), audit_lines as (
    insert into audit_log (tenant_id, at, ${names}) select tenant_id, ${p(6)}::text, ${arrays} from audit_head
  )`;
}

type Move = { tenantId: string; head: ChainHead; next: ChainHead; at: string };

function valuesOf({ tenantId, head, next, at }: Move, links: readonly Link[], mac: Buffer): PreparedStatement["values"] {
  const seqs = new ArrayColumn("int8");
  const hashes = new ArrayColumn("bytea");
  for (const { entry, hash } of links) {
    seqs.int8(entry.seq);
    hashes.bytes(hash);
  }
  const text = (pick: (entry: ChainEntry) => string | null): Buffer => {
    const column = new ArrayColumn("text");
    for (const { entry } of links) column.text(pick(entry));
    return column.toBuffer();
  };
  return [
    tenantId,
    String(next.seq),
    next.hash,
    mac,
    String(head.seq),
    head.hash,
    at,
    seqs.toBuffer(),
    text((entry) => entry.actor),
    text((entry) => entry.action),
    text((entry) => entry.target),
    text((entry) => entry.outcome),
    text((entry) => entry.reason),
    text((entry) => entry.details),
    hashes.toBuffer(),
  ];
}

import { createHmac, type KeyObject } from "node:crypto";

/** One entry exactly as it is stored: `at` and `details` are the stored texts. */
export type ChainEntry = {
  tenantId: string;
  seq: number;
  at: string;
  actor: string;
  action: string;
  target: string;
  outcome: "allow" | "deny";
  reason: string | null;
  details: string;
};
export type ChainHead = { seq: number; hash: Buffer };

/**
 * hash(n) = HMAC(key, hash(n−1) ‖ entry n). The key is derived from the master key and is not in the database, so that
 * somebody who can write there can neither change, remove, reorder nor invent entries without being seen. The head's own
 * HMAC makes a shortened chain visible; a whole older state of the database put back in place is not, as nothing outside
 * the database remembers a newer one.
 */
export type Chain = {
  genesis(tenantId: string): ChainHead;
  next(previous: Buffer, entry: ChainEntry): Buffer;
  /** Over where the chain ends. */
  mac(tenantId: string, head: ChainHead): Buffer;
};

export function createChain(key: KeyObject): Chain {
  // An array has one JSON text: no key order, no spaces. The leading word keeps the three uses apart.
  const sign = (...parts: readonly (string | number | null)[]): Buffer => createHmac("sha256", key).update(JSON.stringify(parts)).digest();
  return {
    genesis: (tenantId) => ({ seq: 0, hash: sign("genesis", tenantId) }),
    next: (previous, e) =>
      sign("entry", previous.toString("hex"), e.tenantId, e.seq, e.at, e.actor, e.action, e.target, e.outcome, e.reason, e.details),
    mac: (tenantId, head) => sign("head", tenantId, head.seq, head.hash.toString("hex")),
  };
}

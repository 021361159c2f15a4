import { createSecretKey } from "node:crypto";
import { listAudit, verifyAudit } from "#contract/access.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import type { Audit, AuditDrafts, Database, Redactor } from "#server/kernel/ports.ts";
import { createChain } from "./chain.ts";
import { createAuditDrafts } from "./draft-entries.ts";
import { listEntries } from "./list-entries.ts";
import { recordEntry } from "./record-entry.ts";
import { verifyChain, type Verdict } from "./verify-chain.ts";

/** `chainKey`: 32 bytes that the database does not hold, equal for every process on the same database. */
export type AuditDeps = { database: Database; redactor: Redactor; chainKey: Buffer };
export type AuditTrail = { audit: Audit; drafts: AuditDrafts; routes: Handled[]; verify(tenantId: string): Promise<Verdict> };

export function createAudit({ database, redactor, chainKey }: AuditDeps): AuditTrail {
  const chain = createChain(createSecretKey(chainKey));
  const list = listEntries(database);
  const verify = verifyChain(database, chain);
  return {
    audit: recordEntry(chain, redactor),
    drafts: createAuditDrafts(database, chain, redactor),
    verify,
    routes: [
      handle(listAudit, ({ caller, query }) => list(caller.tenantId, query)),
      handle(verifyAudit, ({ caller }) => verify(caller.tenantId)),
    ],
  };
}

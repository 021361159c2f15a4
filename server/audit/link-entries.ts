import { AppError } from "#server/kernel/errors.ts";
import type { AuditRecord, Redactor } from "#server/kernel/ports.ts";
import type { Chain, ChainEntry, ChainHead } from "./chain.ts";

const TEXT_CHARS = 512;
const DETAILS_CHARS = 16_384;

export type Link = { readonly entry: ChainEntry; readonly hash: Buffer };
/** What the next entries of a tenant are appended to, and when. */
export type LinkTarget = { tenantId: string; head: ChainHead; at: string };

/** Makes the chain's next links. All entries must be of the same tenant. */
export const linkEntries =
  (chain: Chain, redactor: Redactor) =>
  ({ tenantId, head, at }: LinkTarget, records: readonly AuditRecord[]): Link[] => {
    const links: Link[] = [];
    for (const record of records) {
      if (record.tenantId !== tenantId) throw new AppError("internal", "Audit entries of different tenants cannot be recorded together.");
      const last = links.at(-1)?.hash ?? head.hash;
      const entry = toEntry(record, redactor, { seq: head.seq + links.length + 1, at });
      links.push({ entry, hash: chain.next(last, entry) });
    }
    return links;
  };

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

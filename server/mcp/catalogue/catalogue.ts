import type { Effect } from "#contract/policy.ts";
import type { Tool } from "#contract/mcp/tools.ts";
import { proposedEffect, type Definition, type ListedTool } from "./tool-definition.ts";

/**
 * Pinning, fail closed. A tool is callable only while what the server lists is, byte for byte, what was approved.
 *
 *   first list of a trusted registration  → approved, unless the scan found something
 *   any other new tool                    → pending
 *   listed differently than approved      → changed
 *   listed again as it was approved       → approved
 *   rejected by somebody                  → rejected, until something else is listed
 */
export type PinnedTool = {
  readonly id: string;
  readonly name: string;
  /** Canonical JSON of what is listed now. */
  readonly text: string;
  readonly hash: string;
  readonly approvedHash: string | null;
  readonly approval: Tool["approval"];
  /** `once` until somebody has approved the tool. */
  readonly effect: Effect;
  readonly findings: readonly string[];
  /** Some of the findings have come since it was approved, and nobody has decided about them. */
  readonly isFlagged: boolean;
  /** Whether the server's last list held it. */
  readonly listed: boolean;
  /** Taken out of use by hand, whatever is listed. */
  readonly isDisabled: boolean;
  /** Why it is disabled, or was rejected. */
  readonly reason: string | null;
};

export type CatalogueChange =
  | { kind: "new" | "changed" | "reverted"; tool: PinnedTool }
  /** Not listed any more, or listed again: nobody has to look at it. */
  | { kind: "gone" | "back"; tool: PinnedTool };

type Known = ReadonlyMap<string, PinnedTool>;
type Policy = {
  /** The first list of a server whose registration was itself the approval. */
  trusted: boolean;
  newId: () => string;
  /** Asked only about definitions that are new here, or here again. */
  scan: (definition: Definition) => string[];
};

/** What a fresh list means for what is known. Tools without a change are left out. */
export function compareCatalogue(known: Known, listed: readonly ListedTool[], policy: Policy): CatalogueChange[] {
  const names = new Set(listed.map((tool) => tool.name));
  const gone = [...known.values()]
    .filter((tool) => tool.listed && !names.has(tool.name))
    .map((tool): CatalogueChange => ({ kind: "gone", tool: { ...tool, listed: false } }));
  return [...listed.flatMap((tool) => compareTool(known.get(tool.name), tool, policy)), ...gone];
}

function compareTool(known: PinnedTool | undefined, listed: ListedTool, policy: Policy): CatalogueChange[] {
  if (known === undefined) return [{ kind: "new", tool: newTool(listed, policy) }];
  if (known.hash === listed.hash)
    return known.listed ? [] : [{ kind: "back", tool: lookedAt({ ...known, listed: true }, policy.scan(listed.definition)) }];
  const now = {
    ...known,
    text: listed.text,
    hash: listed.hash,
    findings: policy.scan(listed.definition),
    isFlagged: false,
    listed: true,
    reason: known.isDisabled ? known.reason : null,
  };
  if (known.approvedHash === null) return [{ kind: "changed", tool: { ...now, approval: "pending" } }];
  if (known.approvedHash === listed.hash)
    return [{ kind: "reverted", tool: { ...now, approval: "approved", isFlagged: now.findings.length > 0 } }];
  return [{ kind: "changed", tool: { ...now, approval: "changed" } }];
}

/**
 * A tool as this process knows it, after another one has written its row: what is approved is what was written, what is
 * listed is what the process's own server lists.
 */
export function adoptStored(own: PinnedTool | undefined, stored: PinnedTool): PinnedTool {
  if (own === undefined) return { ...stored, listed: false };
  const { hash, text, findings, isFlagged, listed } = own;
  if (own.hash === stored.hash) return { ...stored, listed };
  const approval = stored.approval === "rejected" ? "rejected" : approvalOf(stored.approvedHash, hash);
  return { ...stored, hash, text, findings, isFlagged, listed, approval };
}

function approvalOf(approvedHash: string | null, hash: string): PinnedTool["approval"] {
  if (approvedHash === null) return "pending";
  return approvedHash === hash ? "approved" : "changed";
}

function newTool({ name, text, hash, definition }: ListedTool, { trusted, newId, scan }: Policy): PinnedTool {
  const findings = scan(definition);
  const approved = trusted && findings.length === 0;
  return {
    id: newId(),
    name,
    text,
    hash,
    findings,
    isFlagged: false,
    listed: true,
    approval: approved ? "approved" : "pending",
    approvedHash: approved ? hash : null,
    isDisabled: false,
    reason: null,
    effect: approved ? proposedEffect(definition.annotations) : "once",
  };
}

/**
 * What a new look at the same definition finds, because other servers list something else than before. What is approved stays so:
 * no server may stop the tools of another one by what it lists. It is flagged until somebody decides.
 */
export function lookedAt(tool: PinnedTool, findings: readonly string[]): PinnedTool {
  const isNews = findings.some((finding) => !tool.findings.includes(finding));
  const isFlagged = tool.approval === "approved" && findings.length > 0 && (tool.isFlagged || isNews);
  return { ...tool, findings, isFlagged };
}

/** What a person has decided about the definition that is listed now. */
export function approved(tool: PinnedTool, effect: Effect): PinnedTool {
  return { ...tool, approvedHash: tool.hash, approval: "approved", isFlagged: false, effect, reason: tool.isDisabled ? tool.reason : null };
}

/** An earlier definition that was approved stays so, should the server list it again; this one does not. */
export function rejected(tool: PinnedTool, reason: string): PinnedTool {
  const isRevoked = tool.approvedHash === tool.hash;
  const withdrawn = isRevoked ? ({ approvedHash: null, effect: "once" } as const) : {};
  return { ...tool, ...withdrawn, approval: "rejected", isFlagged: false, reason };
}

/** Listed exactly as it was approved, and not taken out of use: only then a tool may be called. */
export const isUsable = ({ listed, approval, hash, approvedHash, isDisabled }: PinnedTool): boolean =>
  listed && approval === "approved" && hash === approvedHash && !isDisabled;

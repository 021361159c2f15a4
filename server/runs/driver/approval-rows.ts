import type { ApprovalStatus } from "#contract/approvals.ts";
import type { Json } from "#contract/common.ts";
import type { EventDraft } from "#contract/journal.ts";
import type { ApprovalChanges, AskedApproval, ChangedApproval } from "../journal/append.ts";
import type { DriverContext } from "./context.ts";
import type { LiveRun } from "./live-run.ts";
import { approvalRowName } from "./row-names.ts";

/** `isEnd`: they are the run's last, which closes what is still pending. */
type Appended = { events: readonly { draft: EventDraft }[]; isEnd: boolean };

/** What these events mean for the list of approvals; undefined for the events of most steps. */
export function approvalChanges(context: DriverContext, run: LiveRun, { events, isEnd }: Appended): ApprovalChanges | undefined {
  const asked: AskedApproval[] = [];
  const changed: ChangedApproval[] = [];
  for (const { draft } of events) {
    if (draft.kind === "approval_requested") asked.push(askedBy(context, run, draft));
    else changed.push(...changedBy(run, draft));
  }
  return isEnd || asked.length + changed.length > 0 ? { asked, changed } : undefined;
}

function askedBy({ newId, codec }: DriverContext, run: LiveRun, draft: Extract<EventDraft, { kind: "approval_requested" }>): AskedApproval {
  const { message, approvers, n: needed, deadline = null, arguments: args } = draft.body;
  const id = newId();
  const body: Json = { message: message ?? null, arguments: args ?? null, decisions: [] };
  const bytes = codec.encode(body, { tenantId: run.tenantId, row: approvalRowName(id), confidential: run.isConfidential });
  return { id, scope: draft.scope, nodeId: draft.nodeId ?? "", approvers, needed, deadline, body: bytes };
}

function changedBy({ state }: LiveRun, draft: EventDraft): ChangedApproval[] {
  const { scope, nodeId } = draft;
  if (nodeId === null || state.plan.nodes.get(nodeId)?.type !== "approval") return [];
  if (draft.kind === "approval_escalated") return [{ scope, nodeId, status: "pending", approvers: draft.body.approvers }];
  const status = statusAfter(draft);
  return status === undefined ? [] : [{ scope, nodeId, status, approvers: null }];
}

function statusAfter(draft: EventDraft): ApprovalStatus | undefined {
  if (draft.kind === "step_cancelled") return "cancelled";
  if (draft.kind === "step_failed") return draft.body.error.code === "approval_expired" ? "expired" : "rejected";
  if (draft.kind !== "step_succeeded") return undefined;
  if (isSet(draft.body.output, "approved")) return "approved";
  return isSet(draft.body.output, "expired") ? "expired" : "rejected";
}

const isSet = (output: Json, name: string): boolean =>
  typeof output === "object" && output !== null && !Array.isArray(output) && output[name] === true;

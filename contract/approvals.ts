import { z } from "zod";
import { Id, IdParams, Json, PageQuery, Time, pageOf } from "./common.ts";
import { Approver } from "./node-data.ts";
import { defineRoute } from "./route.ts";

export const APPROVAL_STATUSES = ["pending", "approved", "rejected", "expired", "cancelled"] as const;
export const ApprovalStatus = z.enum(APPROVAL_STATUSES);
export type ApprovalStatus = z.infer<typeof ApprovalStatus>;

export const ApprovalDecision = z.object({
  by: z.string(),
  decision: z.enum(["approve", "reject"]),
  comment: z.string().optional(),
  at: Time,
});
export type ApprovalDecision = z.infer<typeof ApprovalDecision>;

export const Approval = z.object({
  id: Id,
  runId: Id,
  workflowId: Id,
  workflowName: z.string(),
  scope: z.string(),
  nodeId: z.string(),
  status: ApprovalStatus,
  message: z.string().nullable(),
  /** What will be done if it is approved; null when the approval is about nothing in particular. */
  arguments: Json,
  approvers: z.array(Approver),
  /** How many different principals must approve. */
  needed: z.number().int(),
  decisions: z.array(ApprovalDecision),
  deadline: Time.nullable(),
  requestedAt: Time,
  closedAt: Time.nullable(),
  /** Whether the caller may decide now. */
  mayDecide: z.boolean(),
});
export type Approval = z.infer<typeof Approval>;

const tag = "approvals";
export const listApprovals = defineRoute({
  name: "listApprovals",
  method: "GET",
  path: "/api/v1/approvals",
  summary: "List approvals, newest first",
  tag,
  permission: "approval:read",
  query: PageQuery.extend({ status: ApprovalStatus.optional(), runId: Id.optional() }),
  response: pageOf(Approval),
  errors: ["cursor_invalid"],
});
export const getApproval = defineRoute({
  name: "getApproval",
  method: "GET",
  path: "/api/v1/approvals/:id",
  summary: "Read an approval",
  tag,
  permission: "approval:read",
  params: IdParams,
  response: Approval,
  errors: ["not_found"],
});
export const decideApproval = defineRoute({
  name: "decideApproval",
  method: "POST",
  path: "/api/v1/approvals/:id/decide",
  summary: "Approve or reject; the run takes the decision up in the order in which it arrives",
  tag,
  permission: "approval:decide",
  params: IdParams,
  body: z.strictObject({
    decision: z.enum(["approve", "reject"]),
    comment: z.string().max(2_000).optional(),
    /** With `approve`: approve this instead. Earlier approvals then do not count any more. */
    arguments: Json.optional(),
  }),
  response: Approval,
  status: 202,
  errors: ["not_found", "approval_closed", "approval_not_yours", "inbox_full", "request_invalid"],
});
export const delegateApproval = defineRoute({
  name: "delegateApproval",
  method: "POST",
  path: "/api/v1/approvals/:id/delegate",
  summary: "Let somebody else decide too; only who may decide can delegate",
  tag,
  permission: "approval:decide",
  params: IdParams,
  body: z.strictObject({ to: Approver }),
  response: Approval,
  status: 202,
  errors: ["not_found", "approval_closed", "approval_not_yours", "inbox_full", "request_invalid"],
});

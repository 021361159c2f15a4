import * as contract from "#contract/approvals.ts";
import { handle, type Handled } from "../../kernel/handle.ts";
import type { decideApproval, delegateApproval } from "./decide-approval.ts";
import type { getApproval, listApprovals } from "./show-approvals.ts";

export type ApprovalUseCases = {
  get: ReturnType<typeof getApproval>;
  list: ReturnType<typeof listApprovals>;
  decide: ReturnType<typeof decideApproval>;
  delegate: ReturnType<typeof delegateApproval>;
};

export const approvalRoutes = (approvals: ApprovalUseCases): Handled[] => [
  handle(contract.listApprovals, ({ query, caller }) => approvals.list(caller, query)),
  handle(contract.getApproval, ({ params, caller }) => approvals.get(caller, params.id)),
  handle(contract.decideApproval, ({ params, body, caller }) => approvals.decide(caller, { id: params.id, ...body })),
  handle(contract.delegateApproval, ({ params, body, caller }) => approvals.delegate(caller, { id: params.id, ...body })),
];

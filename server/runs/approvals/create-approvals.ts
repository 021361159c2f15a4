import type { SpeakDeps } from "../send-message.ts";
import { decideApproval, delegateApproval } from "./decide-approval.ts";
import type { ApprovalUseCases } from "./routes.ts";
import { getApproval, listApprovals } from "./show-approvals.ts";

export const createApprovals = (deps: SpeakDeps & { now: () => Date }): ApprovalUseCases => ({
  get: getApproval(deps),
  list: listApprovals(deps),
  decide: decideApproval(deps),
  delegate: delegateApproval(deps),
});

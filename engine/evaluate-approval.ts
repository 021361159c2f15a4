/* How an approval begins and what its decision, or its deadline, means. */
import type { Json } from "#contract/common.ts";
import type { NodeOf } from "#contract/definition.ts";
import type { EventDraft, StepError } from "#contract/journal.ts";
import { isDecided, isRejected } from "./approvals.ts";
import { member } from "./evaluate-flow.ts";
import { failed, stepError, succeeded } from "./outcome.ts";
import { planNodeOf } from "./state.ts";
import { timeOf } from "./times.ts";
import type { ApprovalState, RunState, StepCommand } from "./types.ts";

type Beginning = { node: NodeOf<"approval">; value: Json | undefined };

export function approvalDraft(
  state: RunState,
  { scope, nodeId, attempt }: StepCommand,
  { node, value }: Beginning,
): EventDraft | StepError {
  const { approvers, n, onDeadline, escalateTo } = node.data;
  const deadline = node.data.deadline === undefined ? undefined : timeOf(member(value, "deadline"), Date.parse(state.at));
  if (node.data.deadline !== undefined && deadline === undefined)
    return stepError("expression_failed", "Expected the deadline to be a number of ms, or an ISO 8601 date and time.");
  const message = member(value, "message");
  const args = member(value, "arguments");
  return {
    kind: "approval_requested",
    scope,
    nodeId,
    attempt,
    body: {
      approvers,
      n,
      onDeadline,
      ...(typeof message === "string" ? { message } : {}),
      ...(deadline === undefined ? {} : { deadline }),
      ...(escalateTo === undefined ? {} : { escalateTo }),
      ...(args === undefined ? {} : { arguments: args }),
    },
  };
}

/** It is decided, or its deadline has passed. */
export function evaluateApproval(state: RunState, command: StepCommand, approval: ApprovalState): EventDraft {
  const { scope, nodeId, attempt } = command;
  if (isDecided(approval))
    return isRejected(approval) ? rejected(state, command, { approval, code: "approval_rejected" }) : approved(command, approval);
  if (approval.onDeadline === "escalate" && !approval.isEscalated)
    return { kind: "approval_escalated", scope, nodeId, attempt, body: { approvers: approval.escalateTo ?? [] } };
  if (approval.onDeadline === "continue") return succeeded(command, { ...outputOf(approval), approved: false, expired: true });
  return rejected(state, command, { approval, code: "approval_expired" });
}

const approved = (command: StepCommand, approval: ApprovalState): EventDraft =>
  succeeded(command, { ...outputOf(approval), approved: true });

type Rejection = { approval: ApprovalState; code: "approval_rejected" | "approval_expired" };

/** Leaves by `rejected` where an edge does; elsewhere the step fails. */
function rejected(state: RunState, command: StepCommand, { approval, code }: Rejection): EventDraft {
  const hasWay = planNodeOf(state, command.nodeId).outgoing.some(({ handle }) => handle === "rejected");
  const isExpired = code === "approval_expired";
  if (hasWay) return succeeded(command, { ...outputOf(approval), approved: false, ...(isExpired ? { expired: true } : {}) }, "rejected");
  const last = approval.decisions.at(-1);
  const why = last?.comment === undefined ? "" : `: ${last.comment}`;
  const message = isExpired ? "Expected a decision before the deadline; none came." : `${last?.by ?? "Somebody"} has rejected it${why}.`;
  return failed(state, command, { error: stepError(code, message), now: 0, random: 0 });
}

function outputOf({ decisions, arguments: args }: ApprovalState): { [key: string]: Json } {
  return { decisions: decisions.map((decision) => ({ ...decision })), ...(args === undefined ? {} : { arguments: args }) };
}

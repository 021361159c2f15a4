/*
 * An approval waits for `n` different principals to approve, or one to reject. Editing the arguments starts the count anew: who
 * approved before has not seen what is approved now.
 */
import type { EventBody } from "#contract/journal.ts";
import { isStopping, scopeOf } from "./state.ts";
import type { ApprovalState, RunState, StepState } from "./types.ts";

export function beginApproval(state: RunState, step: StepState, body: EventBody<"approval_requested">): void {
  if (isStopping(state, scopeOf(state, step.scope))) return;
  state.active.delete(step);
  state.idle.add(step);
  step.status = "waiting";
  step.startedAt ??= state.at;
  step.approval = { ...body, decisions: [], isEscalated: false };
  step.waiting = body.deadline === undefined ? {} : { deadline: body.deadline };
}

/** A decision of somebody who has decided before, or after the end, changes nothing. */
export function takeDecision(
  state: RunState,
  step: StepState,
  { by, decision, comment, arguments: edited }: EventBody<"approval_decided">,
): void {
  const { approval } = step;
  if (!approval || step.status !== "waiting" || approval.decisions.some((earlier) => earlier.by === by)) return;
  if (edited !== undefined) Object.assign(approval, { arguments: edited, decisions: [] });
  approval.decisions.push({ by, decision, ...(comment === undefined ? {} : { comment }) });
  if (!isDecided(approval)) return;
  state.idle.delete(step);
  state.active.add(step);
  step.status = "ready";
}

export function escalate(step: StepState, approvers: readonly string[]): void {
  if (!step.approval) return;
  step.approval = { ...step.approval, approvers: [...approvers], isEscalated: true };
  step.waiting = {};
}

export function delegate({ approval, status }: StepState, to: string): void {
  if (approval && status === "waiting" && !approval.approvers.includes(to)) approval.approvers.push(to);
}

export const isRejected = ({ decisions }: ApprovalState): boolean => decisions.some(({ decision }) => decision === "reject");

export const isDecided = (approval: ApprovalState): boolean => isRejected(approval) || approval.decisions.length >= approval.n;

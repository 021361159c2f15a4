/* What a run that goes on must do again although it had ended. */
import { member } from "./evaluate-flow.ts";
import type { StepPlace } from "#contract/journal.ts";
import { hasFailedItself, type Cut, type Entry } from "./fork-cut.ts";
import { isContainer } from "./plan.ts";
import { planNodeOf, stepKey } from "./state.ts";
import type { RunState, StepState } from "./types.ts";

/** Steps whose undoing has begun: what they did is gone, or half gone. */
export function undoneSteps(state: RunState, entries: readonly Entry[]): StepState[] {
  const places = entries.flatMap(({ event }) => (event.kind === "compensation_started" ? event.body.steps : []));
  return places.flatMap((place) => {
    const step = state.steps.get(stepKey(place.scope, place.nodeId));
    const { compensate = "" } = (step && planNodeOf(state, step.nodeId).node.policy) ?? {};
    const undoing = state.steps.get(stepKey(place.scope, compensate));
    const hasBegun =
      undoing?.isUndoing && (undoing.startedAt !== undefined || undoing.status === "succeeded" || undoing.status === "failed");
    return step && hasBegun ? [step] : [];
  });
}

/** Containers that have failed by themselves, as by too many rounds, and not by what is in them: they begin anew. */
export function containersToRedo(state: RunState): StepState[] {
  const broken = new Set<string>();
  for (const scope of state.scopes.values()) {
    if (scope.parent && hasFailedItself(scope)) broken.add(stepKey(scope.parent.path, scope.containerId ?? ""));
  }
  return [...state.steps.values()].filter(
    ({ scope, nodeId, status, handle }) =>
      status === "failed" && handle === undefined && isContainer(planNodeOf(state, nodeId).type) && !broken.has(stepKey(scope, nodeId)),
  );
}

/**
 * A grant lets one step of one run call once: an approval whose grant is used by a step that is executed again, or not used yet,
 * is asked for again. Answers with the first one that would take steps with it that are to stay.
 */
export function askAgain(state: RunState, cut: Cut): StepPlace | undefined {
  const grants = new Map<string, Set<string>>();
  for (const { id, node } of state.plan.nodes.values()) {
    const approvalId = node.policy?.grant;
    if (approvalId !== undefined) grants.set(approvalId, (grants.get(approvalId) ?? new Set()).add(id));
  }
  for (const approval of state.steps.values()) {
    const grantees = grants.get(approval.nodeId);
    if (!grantees || member(approval.output, "approved") !== true || !cut.keeps(approval) || isSpent(state, cut, { approval, grantees }))
      continue;
    const kept = [...state.steps.values()].filter((step) => step !== approval && cut.keeps(step));
    cut.add(approval);
    if (kept.some((step) => !cut.keeps(step))) return { scope: approval.scope, nodeId: approval.nodeId };
  }
  return undefined;
}

type Granted = { approval: StepState; grantees: ReadonlySet<string> };

/** Nothing in the fork will want the grant any more. */
function isSpent(state: RunState, cut: Cut, { approval: { scope, nodeId }, grantees }: Granted): boolean {
  const used = state.usedGrants.get(stepKey(scope, nodeId));
  const steps = [...state.steps.values()].filter((step) => grantees.has(step.nodeId) && step.scope.startsWith(scope));
  if (used !== undefined && steps.some((step) => step.key === used && cut.keeps(step))) return true;
  return steps.length > 0 && steps.every((step) => cut.keeps(step) || cut.keepsSkipped(step));
}

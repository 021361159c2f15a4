/* What is under way when a run is moved: whether it can go on as another version's node. */
import type { WorkflowNode } from "#contract/definition.ts";
import type { MoveReason } from "#contract/versions.ts";
import { isContainer, isOutside } from "./plan.ts";
import type { PlanNode, StepState } from "./types.ts";

type Pair = { node: PlanNode; target: PlanNode };

/** Undefined for a step that has ended. */
export function underWayReason(step: StepState, pair: Pair): MoveReason | undefined {
  if (step.endedAt !== undefined) return undefined;
  const { node, target } = pair;
  const isRenamed = node.id !== target.id;
  if (isRenamed && isKnownByName(step, node)) {
    const message = `${node.id} is under way, and others know it by that name: it cannot become ${target.id} before it has ended.`;
    return { code: "name_in_use", nodeId: node.id, message };
  }
  const what = changeOf(step, pair);
  return what === undefined ? undefined : { code: "step_changed", nodeId: node.id, message: `${node.id} is under way: ${what}` };
}

/** People who have been asked, callers of its hook, a child run, and the paths of the scopes in it. */
const isKnownByName = ({ status, waiting, approval }: StepState, { type }: PlanNode): boolean =>
  isContainer(type) || status === "parked" || approval !== undefined || waiting?.childRunId !== undefined || waiting?.hook === true;

function changeOf(step: StepState, pair: Pair): string | undefined {
  const { type } = pair.node;
  if (type === "team") return teamChange(pair);
  if (type === "wait") return waitChange(step, pair.target.node);
  return isOutside(type) && step.waiting?.childRunId === undefined ? callChange(step, pair) : undefined;
}

function teamChange({ node, target }: Pair): string | undefined {
  if (node.node.type !== "team" || target.node.type !== "team") return undefined;
  if (node.node.data.mode !== target.node.data.mode) return `its mode would become ${target.node.data.mode}.`;
  const names = target.node.data.members.map(({ name }) => name);
  const isSame = node.node.data.members.length === names.length && node.node.data.members.every(({ name }, i) => name === names[i]);
  return isSame ? undefined : `its members would become ${names.join(", ")}.`;
}

/** Nobody could send the old signal any more, or call the old hook. */
function waitChange({ waiting }: StepState, target: WorkflowNode): string | undefined {
  if (target.type !== "wait" || !waiting || waiting.delivered) return undefined;
  const { signal, webhook } = target.data;
  if (waiting.hook && webhook !== true) return "it waits for a call of its hook, and would have none.";
  if (waiting.signal === undefined || signal?.startsWith("=") || signal?.includes("{{") || signal === waiting.signal) return undefined;
  return `it waits for the signal ${waiting.signal}, and would for ${signal ?? "none"}.`;
}

/**
 * A repeated call carries the key of the first attempt, which stands for the step's name and its arguments: neither may change.
 * Arguments in another order count as changed.
 */
function callChange({ effect = "once" }: StepState, { node, target }: Pair): string | undefined {
  if (effect === "none") return undefined;
  const isSame = node.id === target.id && JSON.stringify(node.node.data) === JSON.stringify(target.node.data);
  return isSame ? undefined : "its call may be repeated, which must be the same call; it would be another.";
}

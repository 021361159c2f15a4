/* A grant lets one step run once, with exactly the arguments that were approved. */
import type { Json } from "#contract/common.ts";
import type { StepError, StepPlace } from "#contract/journal.ts";
import { member } from "./evaluate-flow.ts";
import { stepError } from "./outcome.ts";
import { planNodeOf, scopeOf, stepKey, stepSeenFrom } from "./state.ts";
import type { RunState, StepCommand } from "./types.ts";

/** The approval that allows this call, an error when none does, or undefined when none is needed. `key` is the call's idempotency key. */
export function grantFor(
  state: RunState,
  { scope, nodeId }: StepCommand,
  call: { input: Json; key: string },
): StepPlace | StepError | undefined {
  const { node } = planNodeOf(state, nodeId);
  const approvalId = node.policy?.grant;
  if (approvalId === undefined) return undefined;
  const step = stepSeenFrom(state, scopeOf(state, scope), approvalId);
  if (step?.status !== "succeeded" || member(step.output, "approved") !== true)
    return stepError("grant_invalid", `Expected an approval of ${approvalId}; there is none.`);
  const used = state.usedGrants.get(stepKey(step.scope, step.nodeId));
  if (used !== undefined && used !== call.key) return stepError("grant_invalid", `The grant of ${approvalId} has been used.`);
  if (!isEqual(argumentsOf(node.type, call.input), member(step.output, "arguments")))
    return stepError("grant_invalid", `Expected exactly the arguments that ${approvalId} has approved; they are others.`);
  return { scope: step.scope, nodeId: step.nodeId };
}

/** What of a step's input an approval is about: the arguments of a tool, the input of an agent, else all of it. */
const argumentsOf = (type: string, input: Json): Json | undefined =>
  type === "mcp_tool" ? member(input, "arguments") : (member(input, "input") ?? member(input, "message") ?? input);

/** Equal as JSON values; the order of members does not matter. */
function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const right = new Map<string, Json>(Object.entries(b));
  const left = Object.entries(a);
  if (Array.isArray(a) !== Array.isArray(b) || left.length !== right.size) return false;
  return left.every(([key, value]) => right.has(key) && isEqual(value, right.get(key)));
}

/* Steps that compute a value and, from it, the way on. */
import type { Json } from "#contract/common.ts";
import type { NodeOf } from "#contract/definition.ts";
import type { EventDraft } from "#contract/journal.ts";
import { failed, stepError, succeeded } from "./outcome.ts";
import { neededOf } from "./plan-joins.ts";
import { outputSeenFrom, planNodeOf, scopeOf, stepOf } from "./state.ts";
import type { RunState, StepCommand } from "./types.ts";

export function draftOf(state: RunState, command: StepCommand, value: Json | undefined): EventDraft {
  const { node } = planNodeOf(state, command.nodeId);
  switch (node.type) {
    case "condition":
      return succeeded(command, isTrue(value), isTrue(value) ? "true" : "false");
    case "switch":
      return succeeded(command, member(value, "value") ?? null, caseOf(node, value));
    case "join":
      return joined(state, command, node);
    case "context":
      return contextSet(command, value);
    default:
      return succeeded(command, value ?? null);
  }
}

/** The first case whose value is the switch's; `default` when there is none. */
function caseOf({ data }: NodeOf<"switch">, computed: Json | undefined): string {
  const value = JSON.stringify(member(computed, "value") ?? null);
  const cases = member(computed, "cases");
  const found = data.cases.find((item, i) => {
    if (typeof item === "string") return value === JSON.stringify(item);
    const expected = Array.isArray(cases) ? member(cases[i], "equals") : undefined;
    return value === JSON.stringify(expected ?? null);
  });
  return found === undefined ? "default" : typeof found === "string" ? found : found.name;
}

/** The outputs of the live branches, by the id of the step before the join. */
function joined(state: RunState, command: StepCommand, node: NodeOf<"join">): EventDraft {
  const scope = scopeOf(state, command.scope);
  const { live } = stepOf(state, command.scope, command.nodeId);
  if (node.data.mode === "n" && live < neededOf(node)) {
    const message = `Expected ${neededOf(node)} branches to succeed, only ${live} did.`;
    return failed(state, command, { error: stepError("join_unsatisfied", message), now: 0, random: 0 });
  }
  const output: Record<string, Json> = {};
  for (const { source } of state.plan.definition.edges.filter((edge) => edge.target === node.id)) {
    const value = outputSeenFrom(state, scope, source);
    if (value !== undefined) output[source] = value;
  }
  return succeeded(command, output);
}

function contextSet(command: StepCommand, value: Json | undefined): EventDraft {
  const { scope, nodeId, attempt } = command;
  const patch = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  return { kind: "step_succeeded", scope, nodeId, attempt, body: { output: patch, handle: "success", patch } };
}

export function member(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
  return value[name];
}

/** JSONata's `$boolean`: empty strings, arrays and objects, zero, null and nothing are false; an array is true if a member is. */
export function isTrue(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.some(isTrue);
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/* What a container does next: begin, go on, or end with the results of what was in it. */
import type { Json } from "#contract/common.ts";
import type { NodeOf } from "#contract/definition.ts";
import type { EventDraft } from "#contract/journal.ts";
import { LIMITS } from "#contract/limits.ts";
import { isTrue } from "./evaluate-flow.ts";
import { failed, stepError, succeeded } from "./outcome.ts";
import { planNodeOf } from "./state.ts";
import { evaluateTeam } from "./team.ts";
import type { RunState, StepCommand, StepState } from "./types.ts";

/** Undefined when the container's expression must be computed first. */
export function closeContainer(state: RunState, command: StepCommand, { map, loop, team, startedAt }: StepState): EventDraft | undefined {
  const failure = map?.failure ?? loop?.failure;
  if (failure) return failed(state, command, { error: failure, now: 0, random: 0 });
  if (map) return succeeded(command, map.results);
  const { node } = planNodeOf(state, command.nodeId);
  return team && node.type === "team" ? evaluateTeam(state, command, { node, team, startedAt }) : undefined;
}

export function openContainer(
  state: RunState,
  command: StepCommand,
  { step, value }: { step: StepState; value: Json | undefined },
): EventDraft {
  const { node } = planNodeOf(state, command.nodeId);
  if (node.type === "map") return openMap(state, command, { node, value });
  if (node.type === "loop") return nextRound(state, command, { node, step, value });
  if (node.type !== "team") throw new Error(`A ${node.type} contains nothing.`);
  return evaluateTeam(state, command, { node, team: { task: value ?? null, turns: [], active: 0 }, startedAt: undefined });
}

function openMap(state: RunState, command: StepCommand, { node, value }: { node: NodeOf<"map">; value: Json | undefined }): EventDraft {
  const items = Array.isArray(value) ? value : value === undefined ? [] : [value];
  if (items.length > LIMITS.mapItems) {
    const message = `Expected at most ${LIMITS.mapItems} items, got ${items.length}.`;
    return failed(state, command, { error: stepError("map_too_large", message), now: 0, random: 0 });
  }
  const { concurrency, onItemError } = node.data;
  const { scope, nodeId, attempt } = command;
  return { kind: "map_started", scope, nodeId, attempt, body: { items, concurrency, onItemError } };
}

type Round = { node: NodeOf<"loop">; step: StepState; value: Json | undefined };

/** Another round while the condition holds. A loop that would go on for ever is a mistake, not a result. */
function nextRound(state: RunState, command: StepCommand, { node, step, value }: Round): EventDraft {
  const { rounds = 0, last = null } = step.loop ?? {};
  if (!isTrue(value)) return succeeded(command, { rounds, last });
  if (rounds >= node.data.max) {
    const message = `Expected \`while\` to become false within ${node.data.max} rounds; it has not.`;
    return failed(state, command, { error: stepError("loop_exhausted", message), now: 0, random: 0 });
  }
  const { scope, nodeId, attempt } = command;
  return { kind: "round_started", scope, nodeId, attempt, body: { index: rounds } };
}

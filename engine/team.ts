/*
 * How the members of a team take turns. Each turn is a step of the member's agent and is journaled like any other, so a team that
 * was cut off goes on where it was. Who is next follows from the turns so far and from nothing else.
 */
import type { Json } from "#contract/common.ts";
import type { NodeOf } from "#contract/definition.ts";
import type { EventDraft } from "#contract/journal.ts";
import { failed, succeeded } from "./outcome.ts";
import type { RunState, StepCommand, TeamState } from "./types.ts";

type Team = { node: NodeOf<"team">; team: TeamState };

/** The turns that begin now, the team's output, or why it cannot go on. */
export function evaluateTeam(state: RunState, command: StepCommand, { node, team }: Team): EventDraft {
  const broken = team.turns.find(({ error }) => error !== undefined)?.error;
  if (broken) return failed(state, command, { error: broken, now: 0, random: 0 });
  const { members } = node.data;
  const next = members[team.turns.length];
  if (!next) return succeeded(command, { output: team.turns.at(-1)?.output ?? null });
  const previous: Json = team.turns.at(-1)?.output ?? null;
  const { scope, nodeId, attempt } = command;
  const turns = [{ member: next.name, input: { task: team.task, previous } }];
  return { kind: "turns_started", scope, nodeId, attempt, body: { turns, ...(team.turns.length === 0 ? { task: team.task } : {}) } };
}

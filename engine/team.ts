/*
 * How the members of a team take turns. Each turn is a step of the member's agent and is journaled like any other, so a team that
 * was cut off goes on where it was. Who is next follows from the turns so far and from nothing else.
 *
 *   sequential   each member once, in order; the last one's answer is the output
 *   parallel     all members once, at the same time; the output is an object of their answers by name
 *   handoff      the first member begins; whoever has the task ends it or hands it over; a round is one turn
 *   debate       all members but the lead speak at the same time, round after round, until from the second round on all of them
 *                agree or the rounds are over; then the lead, if there is one, judges
 *   supervisor   the lead gives one member after the other something to do until it is done; a round is one such task
 *
 * A member that fails for good fails the team, in every mode; turns under way are awaited first. The limits are looked at before
 * a turn begins, never in the middle of one: an answer that ends the work is not thrown away because it came late.
 */
import type { Json } from "#contract/common.ts";
import type { EventDraft, StepError } from "#contract/journal.ts";
import type { TeamMember } from "#contract/node-data.ts";
import { failed, stepError, succeeded } from "./outcome.ts";
import { readDecision, readHandoff, readPosition, saidOf, tokensOf } from "./team-answers.ts";
import { oversize, transcriptOf, turnOf, type AnswerForm, type Asked, type Team } from "./team-turns.ts";
import type { RunState, StepCommand } from "./types.ts";

type Done = { output: Json; agreed?: boolean };
type Next = { ask: Asked[] } | Done | { error: StepError };
type Mode = Team["node"]["data"]["mode"];
/** ISO 8601; undefined before the first turn. */
type Begun = Team & { startedAt: string | undefined };

/** The turns that begin now, the team's output, or why it cannot go on. */
export function evaluateTeam(state: RunState, command: StepCommand, { startedAt, ...talk }: Begun): EventDraft {
  const next = broken(talk) ?? NEXT[talk.node.data.mode](talk);
  const give = (error: StepError): EventDraft => failed(state, command, { error, now: 0, random: 0 });
  if ("error" in next) return give(next.error);
  if ("output" in next) return succeeded(command, outputOf(talk, next));
  const limit = limitReached(talk, next.ask, { startedAt, at: state.at });
  if (limit) return give(limit);
  const { task, turns: before } = talk.team;
  const turns = next.ask.map((asked) => turnOf(talk, asked));
  const { scope, nodeId, attempt } = command;
  return { kind: "turns_started", scope, nodeId, attempt, body: { turns, ...(before.length === 0 ? { task } : {}) } };
}

function outputOf({ team }: Team, next: Done): Json {
  const { entries: transcript, omitted } = transcriptOf(team);
  return { ...next, tokens: spent(team), turns: team.turns.length, transcript, ...(omitted > 0 && { omitted }) };
}

/** The members have been retried as the team's policy says; the team itself is not. */
function broken({ team }: Team): { error: StepError } | undefined {
  const turn = team.turns.find(({ error }) => error !== undefined);
  if (!turn?.error) return undefined;
  const { code, message, remedy, issues, cause, class: kind } = turn.error;
  const known = { ...(issues && { issues }), ...(cause !== undefined && { cause }), ...(kind && { class: kind }) };
  return { error: { code, message: `${turn.member}: ${message}`, remedy, retryable: false, ...known } };
}

const NEXT: Record<Mode, (talk: Team) => Next> = {
  sequential: ({ node, team: { turns } }) => {
    const member = node.data.members[turns.length];
    return member ? { ask: [{ member, round: 1 }] } : { output: lastSaid(turns) };
  },
  parallel: ({ node, team: { turns } }) =>
    turns.length === 0
      ? { ask: node.data.members.map((member) => ({ member, round: 1 })) }
      : { output: Object.fromEntries(turns.map(({ member, output }) => [member, saidOf(output ?? null)])) },
  handoff: nextHolder,
  debate: nextRound,
  supervisor: nextTask,
};

const lastSaid = (turns: Team["team"]["turns"]): Json => saidOf(turns.at(-1)?.output ?? null);

function nextHolder({ node, team: { turns } }: Team): Next {
  const { members, limits } = node.data;
  const ask = (member: TeamMember, request?: Json): Next => {
    const others = heirsOf(member, members);
    return { ask: [{ member, round: turns.length + 1, request, others, form: handoffForm(others) }] };
  };
  const last = turns.at(-1);
  const holder = members.find(({ name }) => name === last?.member) ?? members[0];
  if (!holder) throw new Error("A team has at least one member.");
  if (!last) return ask(holder);
  const answer = readHandoff(last.output ?? null);
  if (answer && "output" in answer) return { output: answer.output };
  const others = heirsOf(holder, members);
  const heir = others.find(({ name }) => name === answer?.handoff);
  if (!heir) return invalid(holder, last.output, handoffForm(others));
  return turns.length < limits.rounds ? ask(heir, answer?.input) : roundsOver(limits.rounds, last.output);
}

const heirsOf = ({ name, handoffs }: TeamMember, members: readonly TeamMember[]): TeamMember[] =>
  members.filter((other) => other.name !== name && (handoffs?.includes(other.name) ?? true));

function nextTask({ node, team: { turns } }: Team): Next {
  const { members, limits } = node.data;
  const lead = leadOf(node.data) ?? members[0];
  if (!lead) throw new Error("A team has at least one member.");
  const others = members.filter(({ name }) => name !== lead.name);
  const form = decisionForm(others);
  const last = turns.at(-1);
  const tasks = turns.filter(({ member }) => member !== lead.name).length;
  if (last?.member !== lead.name) return { ask: [{ member: lead, round: tasks + 1, others, form }] };
  const answer = readDecision(last.output ?? null);
  if (answer && "done" in answer) return { output: answer.output };
  const member = others.find(({ name }) => name === answer?.next);
  if (!member) return invalid(lead, last.output, form);
  return tasks < limits.rounds ? { ask: [{ member, round: tasks + 1, request: answer?.input }] } : roundsOver(limits.rounds, last.output);
}

function nextRound({ node, team: { turns } }: Team): Next {
  const lead = leadOf(node.data);
  const debaters = node.data.members.filter(({ name }) => name !== lead?.name);
  const round = Math.floor(turns.length / debaters.length);
  const speak = { ask: debaters.map((member) => ({ member, round: round + 1, form: POSITION })) };
  if (round === 0) return speak;
  if (turns.at(-1)?.member === lead?.name) return { output: lastSaid(turns), agreed: agreeIn(turns.slice(-1 - debaters.length, -1)) };
  const newest = turns.slice(-debaters.length);
  const wrong = newest.find(({ output }) => readPosition(output ?? null) === undefined);
  if (wrong) return invalid({ name: wrong.member }, wrong.output, POSITION);
  const agreed = round > 1 && agreeIn(newest);
  if (!agreed && round < node.data.limits.rounds) return speak;
  if (lead) return { ask: [{ member: lead, round }] };
  return { output: Object.fromEntries(newest.map(({ member, output }) => [member, readPosition(output ?? null)?.output ?? null])), agreed };
}

/** Nobody has heard the others before the second round. */
const agreeIn = (turns: Team["team"]["turns"]): boolean => turns.every(({ output }) => readPosition(output ?? null)?.agrees === true);

const leadOf = ({ lead, members }: Team["node"]["data"]): TeamMember | undefined => members.find(({ name }) => name === lead);

/** All in one object, as not every provider takes alternatives. */
const formOf = (words: string, properties: { [name: string]: Json }): AnswerForm => ({ words, schema: { type: "object", properties } });
const oneOf = (members: readonly TeamMember[]): Json => ({ type: "string", enum: members.map(({ name }) => name) });
const either = (members: readonly TeamMember[]): string => members.map(({ name }) => JSON.stringify(name)).join(" or ");

const handoffForm = (others: readonly TeamMember[]): AnswerForm =>
  formOf(
    `Answer with JSON: {"output": <the result>} if the task is done, else {"handoff": <${either(others)}>, "input": <what it needs to know>}.`,
    { output: {}, handoff: oneOf(others), input: {} },
  );

const decisionForm = (others: readonly TeamMember[]): AnswerForm =>
  formOf(
    `Answer with JSON: {"done": true, "output": <the result>} if the task is done, else {"next": <${either(others)}>, "input": <what it is to do>}.`,
    { done: { type: "boolean" }, output: {}, next: oneOf(others), input: {} },
  );

const POSITION = formOf(
  'Answer with JSON: {"output": <your position>, "agrees": <true if you accept what the others have said, else false>}.',
  { output: {}, agrees: { type: "boolean" } },
);

function invalid({ name }: Pick<TeamMember, "name">, output: Json | undefined, { words }: AnswerForm): { error: StepError } {
  return { error: stepError("team_answer_invalid", `${name} was told: ${words} It has answered: ${shortened(output)}`) };
}

const roundsOver = (rounds: number, output: Json | undefined): { error: StepError } => ({
  error: stepError("team_limit", `Expected the team to be done within ${rounds} rounds; it is not. The last answer: ${shortened(output)}`),
});

function limitReached(talk: Team, asked: readonly Asked[], { startedAt, at }: { startedAt: string | undefined; at: string }) {
  const { tokens, timeMs } = talk.node.data.limits;
  const { team } = talk;
  const limit = (message: string): StepError => stepError("team_limit", `${message} ${soFar(talk)}`);
  if (tokens !== undefined && spent(team) >= tokens)
    return limit(`Expected the team to use fewer than ${tokens} tokens; it has used ${spent(team)}.`);
  const tookMs = startedAt === undefined ? 0 : Date.parse(at) - Date.parse(startedAt);
  if (timeMs !== undefined && tookMs >= timeMs) return limit(`Expected the team to be done within ${timeMs} ms; it has taken ${tookMs}.`);
  const tooLong = oversize(talk, asked);
  return tooLong === undefined ? undefined : stepError("team_limit", tooLong);
}

const spent = ({ turns }: Team["team"]): number => turns.reduce((sum, { output }) => sum + tokensOf(output ?? null), 0);
const soFar = ({ team: { turns } }: Team): string =>
  turns.length === 0 ? "Nobody has spoken." : `The last answer: ${shortened(turns.at(-1)?.output)}`;

const SHOWN_CHARS = 200;
function shortened(output: Json | undefined): string {
  const text = JSON.stringify(saidOf(output ?? null));
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

/*
 * What a member is given with its turn. `text` says all of it in words, for agents that read only that; the other members say
 * the same as data. Nothing of it is longer than `LIMITS.teamTextChars`, so that a turn's event stays small.
 */
import type { Json } from "#contract/common.ts";
import type { NodeOf } from "#contract/definition.ts";
import { LIMITS } from "#contract/limits.ts";
import type { TeamMember, TeamTurn } from "#contract/node-data.ts";
import { saidOf } from "./team-answers.ts";
import type { TeamState } from "./types.ts";

export type Team = { node: NodeOf<"team">; team: TeamState };

/** The form that an answer must have, in words and as a JSON Schema. */
export type AnswerForm = { words: string; schema: { [key: string]: Json } };

export type Asked = {
  member: TeamMember;
  /** Counts from 1. */
  round: number;
  /** What another member wants of this one. */
  request?: Json | undefined;
  form?: AnswerForm;
  /** To whom it may turn. */
  others?: readonly TeamMember[];
};

export type Transcript = { entries: { member: string; said: Json }[]; /** How many older answers are left out. */ omitted: number };

/** The newest answers that fit. */
export function transcriptOf({ turns }: TeamState): Transcript {
  const entries: Transcript["entries"] = [];
  let left = LIMITS.teamTextChars;
  for (const { member, output } of turns.toReversed()) {
    const entry = { member, said: saidOf(output ?? null) };
    left -= JSON.stringify(entry).length;
    if (left < 0) break;
    entries.unshift(entry);
  }
  return { entries, omitted: turns.length - entries.length };
}

/** Why these turns cannot begin. */
export function oversize({ team }: Team, asked: readonly Asked[]): string | undefined {
  const limit = LIMITS.teamTextChars;
  const isLong = (value: Json | undefined): boolean => (JSON.stringify(value ?? null) ?? "").length > limit;
  if (isLong(team.task)) return `Expected a task of at most ${limit} characters.`;
  const last = team.turns.at(-1);
  if (last && transcriptOf(team).entries.length === 0)
    return `Expected ${last.member} to say at most ${limit} characters; it has said more.`;
  const long = asked.find(({ request }) => isLong(request));
  return long && `Expected at most ${limit} characters for ${long.member.name}; it was to get more.`;
}

export function turnOf({ node, team }: Team, asked: Asked): TeamTurn {
  const { member, round, request, form, others } = asked;
  const { entries, omitted } = transcriptOf(team);
  const about = (others ?? []).map(({ name, instructions }) => ({ name, ...(instructions !== undefined && { instructions }) }));
  return {
    member: member.name,
    input: {
      text: wordsOf(asked, { task: team.task, entries }),
      ...(member.instructions !== undefined && { instructions: member.instructions }),
      member: member.name,
      task: team.task,
      round,
      rounds: node.data.limits.rounds,
      transcript: entries,
      ...(omitted > 0 && { omitted }),
      ...(request !== undefined && { request }),
      ...(about.length > 0 && { members: about }),
      ...(form && { responseSchema: form.schema }),
    },
  };
}

function wordsOf({ member, request, form, others }: Asked, { task, entries }: { task: Json; entries: Transcript["entries"] }): string {
  const sections = [`# Task\n${asText(task)}`];
  if (entries.length > 0)
    sections.push(`# What has been said\n${entries.map((entry) => `${entry.member}: ${asText(entry.said)}`).join("\n\n")}`);
  if (request !== undefined) sections.push(`# What is asked of you, ${member.name}\n${asText(request)}`);
  if (others && others.length > 0)
    sections.push(`# The other members\n${others.map(({ name, instructions }) => `${name}: ${instructions ?? ""}`.trim()).join("\n")}`);
  if (form) sections.push(`# How to answer\n${form.words}`);
  return sections.join("\n\n");
}

const asText = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value));

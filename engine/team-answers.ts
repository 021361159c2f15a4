/* How what a member has said is read: by the others, and by the team that must know how to go on. */
import { z } from "zod";
import { Json } from "#contract/common.ts";
import { parseJson } from "#contract/parse-json.ts";

/** `{handoff, input}` passes the task on, `{output}` ends it. */
const Handoff = z.union([z.object({ handoff: z.string().min(1), input: Json.optional() }), z.object({ output: Json })]);
/** `{done: true, output}` ends the team's work, `{next, input}` gives a member something to do. */
const Decision = z.union([
  z.object({ done: z.literal(true), output: Json.default(null) }),
  z.object({ next: z.string().min(1), input: Json.optional() }),
]);
const Position = z.object({ output: Json, agrees: z.boolean() });

export const readHandoff = (output: Json): z.infer<typeof Handoff> | undefined => firstOf(output, Handoff);
export const readDecision = (output: Json): z.infer<typeof Decision> | undefined => firstOf(output, Decision);
export const readPosition = (output: Json): z.infer<typeof Position> | undefined => firstOf(output, Position);

/** For the others: the structured part of an answer if it has one, else its text, else all of it. */
export function saidOf(output: Json): Json {
  for (const part of ["json", "data", "text"]) {
    const value = member(output, part);
    if (value !== null && value !== "") return value;
  }
  return output;
}

/** Input and output tokens, as the agent reports them; none when it reports nothing. */
export function tokensOf(output: Json): number {
  const usage = member(output, "usage");
  const total = numberIn(usage, "totalTokens");
  return total > 0 ? total : numberIn(usage, "promptTokens") + numberIn(usage, "completionTokens");
}

const numberIn = (value: Json, name: string): number => {
  const number = member(value, name);
  return typeof number === "number" && number > 0 ? number : 0;
};

function firstOf<T>(output: Json, schema: z.ZodType<T>): T | undefined {
  for (const document of documentsIn(output)) {
    const parsed = schema.safeParse(document);
    if (parsed.success) return parsed.data;
  }
  return undefined;
}

/** What may be meant, the surest first: `json` of a model, `data` of an A2A agent, the answer itself, JSON in its text. */
function documentsIn(output: Json): Json[] {
  const text = typeof output === "string" ? output : member(output, "text");
  const found = [member(output, "json"), member(output, "data"), output, ...(typeof text === "string" ? jsonIn(text) : [])];
  return found.filter((value) => typeof value === "object" && value !== null && !Array.isArray(value));
}

/** The text as JSON; else what is in its first code fence; else what its outermost braces hold. */
function jsonIn(text: string): Json[] {
  const fenced = /```(?:json)?\s*\n([\s\S]*?)```/.exec(text)?.[1];
  const braced = text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1);
  return [text, fenced, braced].flatMap((candidate) => (candidate === undefined ? [] : parse(candidate)));
}

function parse(text: string): Json[] {
  try {
    return [parseJson(text)];
  } catch {
    return [];
  }
}

function member(value: Json, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return null;
  return value[name] ?? null;
}

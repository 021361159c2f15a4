import { z } from "zod";
import type { Skill } from "#contract/agents.ts";
import { Json } from "#contract/common.ts";
import type { Effect } from "#contract/policy.ts";

export type SkillContext = {
  /** Aborts when the platform cancels the work, its deadline passes, or the agent is stopped. */
  signal: AbortSignal;
  /** Equal whenever the platform asks for the same piece of work again: pass it on to whatever must not happen twice. */
  key: string;
  runId: string | null;
  stepId: string | null;
  /** Shows in the run's timeline while the work goes on. */
  progress(data: Json): void;
};

/** One thing an agent can do. `input` is a zod schema, or `jsonSchema(…)`; the platform checks inputs against it, too. */
export type SkillSpec<I, O extends Json | void> = {
  description?: string;
  input: z.ZodType<I>;
  output?: z.ZodType<O>;
  /** What doing it twice would do; unknown means `once`. */
  effect?: Effect;
  run: (input: I, context: SkillContext) => Promise<O> | O;
};

/** A skill whose types have been used: what the agent announces, and how it is carried out. */
export type AgentSkill = { announced: Omit<Skill, "name">; invoke(input: Json, context: SkillContext): Promise<Json> };

/** Thrown by a skill to say that trying again later can help. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
}

const FOREIGN_SCHEMAS = new WeakMap<z.ZodType, Record<string, Json>>();

/** A JSON Schema where a zod schema is expected. The platform checks it; here every JSON value passes. */
export function jsonSchema(schema: Record<string, Json>): z.ZodType<Json> {
  const any = z.json();
  FOREIGN_SCHEMAS.set(any, schema);
  return any;
}

/** Describes a skill; its input is typed by its schema. */
export function skill<I, O extends Json | void>(spec: SkillSpec<I, O>): AgentSkill {
  const { description = "", effect = "once", input, output, run } = spec;
  const outputSchema = output && schemaOf(output, "output");
  return {
    announced: { description, effect, inputSchema: schemaOf(input, "input"), ...(outputSchema && { outputSchema }) },
    invoke: async (given, context) => {
      const returned = await run(parse(input, given, "input"), context);
      return toJson(output ? parse(output, returned, "output") : returned);
    },
  };
}

function schemaOf(type: z.ZodType, io: "input" | "output"): Record<string, Json> {
  const foreign = FOREIGN_SCHEMAS.get(type);
  return foreign ?? z.record(z.string(), Json).parse(toJson(z.toJSONSchema(type, { io, unrepresentable: "any" })));
}

function parse<T>(type: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = type.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new TypeError(`The skill's ${what} does not fit its schema: ${issue?.path.join(".") || what}: ${issue?.message ?? "invalid"}`);
}

/** What JSON makes of it; nothing becomes null. */
function toJson(value: unknown): Json {
  const json: Json = JSON.parse(JSON.stringify(value) ?? "null");
  return json;
}

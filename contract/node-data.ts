import { z } from "zod";
import { Identifier, Json, Slug } from "./common.ts";
import { LIMITS } from "./limits.ts";

const Value = z.union([Json]);

/** A number of ms or a date, given or computed. */
const TimeValue = z.union([z.number(), z.string().min(1).max(LIMITS.expressionChars)]);

/** Who may decide: a role, or one principal by its reference. */
export const Approver = z.string().regex(/^(role:[a-z]+|user:[^\s]{1,200}|service:[^\s]{1,200})$/, "expected role:<role> or user:<id>");

export const SwitchCase = z.union([
  Identifier,
  z.strictObject({ name: Identifier, /** Compared by value; the name itself when absent. */ equals: Value }),
]);

export const TeamMember = z.strictObject({
  /** By which the others, the output and the journal call it. */
  name: Identifier,
  agent: Slug,
  /** Of a custom agent. */
  skill: z.string().min(1).max(128).optional(),
  /** Of a model provider. */
  model: z.string().min(1).max(128).optional(),
  /** What this member is for, told to it with every turn. */
  instructions: z.string().max(LIMITS.descriptionChars).optional(),
  /** With `handoff`: to whom it may hand over; to any other when absent. */
  handoffs: z.array(Identifier).min(1).max(LIMITS.teamMembers).optional(),
});
export type TeamMember = z.infer<typeof TeamMember>;

/** One turn of a team: which member speaks, and what it is given. */
export const TeamTurn = z.object({ member: z.string(), input: Json });
export type TeamTurn = z.infer<typeof TeamTurn>;

export const TEAM_MODES = ["sequential", "parallel", "handoff", "debate", "supervisor"] as const;

export const TeamLimits = z.strictObject({
  rounds: z.number().int().min(1).max(LIMITS.teamRounds).default(8),
  /** Input and output tokens of all turns together, as the agents report them. */
  tokens: z.number().int().min(1).max(1_000_000_000).optional(),
  timeMs: z.number().int().min(1).max(LIMITS.timeoutMs).optional(),
});

/** What each type of node carries in `data`. */
export const NODE_DATA = {
  start: z.strictObject({}),
  end: z.strictObject({ output: Value.optional() }),
  agent: z.strictObject({
    agent: Slug,
    skill: z.string().min(1).max(128).optional(),
    model: z.string().min(1).max(128).optional(),
    input: Value.default({}),
  }),
  mcp_tool: z.strictObject({
    server: Slug,
    tool: z.string().min(1).max(256),
    /** An object, or an expression that computes one. */
    arguments: z.union([z.record(z.string(), Value), z.string().startsWith("=").max(LIMITS.expressionChars)]).default({}),
  }),
  openai_model: z.strictObject({
    model: z.string().min(1).max(128),
    messages: z
      .array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: z.string().max(200_000) }))
      .min(1)
      .max(256),
    temperature: z.number().min(0).max(2).optional(),
    maxTokens: z.number().int().min(1).max(1_000_000).optional(),
    /** JSON Schema that the answer must fit; the parsed answer is then the step's `json`. */
    responseSchema: z.record(z.string(), Value).optional(),
  }),
  custom_agent: z.strictObject({ agent: Slug, skill: z.string().min(1).max(128), input: Value.default({}) }),
  a2a_agent: z.strictObject({ agent: Slug, message: Value }),
  team: z.strictObject({
    mode: z.enum(TEAM_MODES),
    members: z.array(TeamMember).min(1).max(LIMITS.teamMembers),
    /** The member that decides: who supervises (the first unless named), or who judges a debate (nobody unless named). */
    lead: Identifier.optional(),
    limits: TeamLimits.default({ rounds: 8 }),
    /** The task; the members see it with every turn. */
    input: Value.default({}),
  }),
  transform: z.strictObject({ output: Value }),
  condition: z.strictObject({ when: Value }),
  switch: z.strictObject({ value: Value, cases: z.array(SwitchCase).min(1).max(LIMITS.switchCases) }),
  map: z.strictObject({
    items: Value,
    concurrency: z.number().int().min(1).max(LIMITS.mapConcurrency).default(8),
    onItemError: z.enum(["fail", "continue"]).default("fail"),
  }),
  loop: z.strictObject({
    /** Looked at before each round; sees `index` and, as `item`, the result of the round before. */
    while: Value,
    max: z.number().int().min(1).max(LIMITS.loopRounds).default(100),
  }),
  join: z
    .strictObject({ mode: z.enum(["all", "any", "n"]).default("all"), n: z.number().int().min(1).max(LIMITS.nodesPerWorkflow).optional() })
    .refine(({ mode, n }) => (mode === "n") === (n !== undefined), "expected n with the mode `n`, and only there"),
  wait: z
    .strictObject({
      forMs: TimeValue.optional(),
      /** An ISO 8601 date and time. */
      until: z.string().min(1).max(LIMITS.expressionChars).optional(),
      signal: z.string().min(1).max(LIMITS.signalNameChars).optional(),
      /** A call of `run.hooks.<id>`. */
      webhook: z.literal(true).optional(),
    })
    .refine(
      (data) => Object.values(data).filter((value) => value !== undefined).length === 1,
      "expected one of forMs, until, signal, webhook",
    ),
  approval: z
    .strictObject({
      /** What is asked. */
      message: z.string().max(200_000).optional(),
      approvers: z.array(Approver).min(1).max(LIMITS.approvers),
      n: z.number().int().min(1).max(LIMITS.approvers).default(1),
      /** How long there is to decide; ms, or an ISO 8601 date and time. */
      deadline: TimeValue.optional(),
      onDeadline: z.enum(["reject", "continue", "escalate"]).default("reject"),
      /** Who may decide once the deadline has passed, with `escalate`. */
      escalateTo: z.array(Approver).max(LIMITS.approvers).optional(),
      /** What will be done if it is approved; approvers may edit it, and a step with `policy.grant` may run with exactly this. */
      arguments: Value.optional(),
    })
    .refine(
      ({ onDeadline, escalateTo }) => (onDeadline === "escalate") === (escalateTo !== undefined),
      "expected escalateTo with `escalate`, and only there",
    ),
  subworkflow: z.strictObject({
    /** Its id or its name. */
    workflow: z.string().min(1).max(LIMITS.nameChars),
    /** The newest unless named. */
    version: z.number().int().min(1).max(2_147_483_647).optional(),
    input: Value.default({}),
  }),
  context: z.strictObject({ set: z.record(Identifier, Value) }),
  http: z.strictObject({
    method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]).default("GET"),
    url: z.string().min(1).max(LIMITS.expressionChars),
    /** Here, and nowhere else, `secrets.<name>` may stand alone in an expression. */
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/, "expected the name of a header"),
        z.string().max(LIMITS.expressionChars),
      )
      .refine((headers) => Object.keys(headers).length <= LIMITS.httpHeaders, `expected at most ${LIMITS.httpHeaders} headers`)
      .default({}),
    body: Value.optional(),
  }),
  code: z.strictObject({
    language: z.literal("javascript").default("javascript"),
    /** The body of a function of `input`; what it returns is the output. */
    source: z.string().min(1).max(LIMITS.codeChars),
    input: Value.default({}),
  }),
  note: z.strictObject({ text: z.string().max(LIMITS.descriptionChars).default("") }),
} as const;

import { z } from "zod";
import { Description, Environment, Id, IdParams, Json, Name, PageQuery, Slug, Time, pageOf } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { Effect } from "./policy.ts";
import { defineRoute } from "./route.ts";

export const AGENT_KINDS = ["openai", "custom", "a2a", "mcp"] as const;
export const AGENT_STATUSES = ["online", "offline", "unknown"] as const;

export const Skill = z.object({
  name: z.string().min(1).max(128),
  description: Description.default(""),
  inputSchema: z.record(z.string(), Json).optional(),
  outputSchema: z.record(z.string(), Json).optional(),
  effect: Effect.default("once"),
});
export type Skill = z.infer<typeof Skill>;

/** Where an agent is: a model provider, an A2A agent, or a process that connects to `/ws/agents` itself. */
export const AgentEndpoint = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("openai"),
    baseUrl: z.url({ protocol: /^https?$/ }).max(2_048),
    /** Name of the vault secret that holds the key. */
    keySecret: z.string().max(64).optional(),
    models: z.array(z.string().min(1).max(128)).max(256).default([]),
  }),
  z.strictObject({ kind: z.literal("a2a"), url: z.url({ protocol: /^https?$/ }).max(2_048), keySecret: z.string().max(64).optional() }),
  z.strictObject({ kind: z.literal("custom") }),
]);
export type AgentEndpoint = z.infer<typeof AgentEndpoint>;

export const Agent = z.object({
  id: Id,
  name: Slug,
  title: Name,
  description: Description,
  environment: Environment,
  endpoint: AgentEndpoint,
  /** The most calls at once by runs; null: as many as come. */
  concurrency: z.number().int().nullable(),
  skills: z.array(Skill),
  version: z.string(),
  status: z.enum(AGENT_STATUSES),
  /** What in the agent's words about itself a person would not see or should not obey, each with its place. */
  findings: z.array(z.string()).default([]),
  lastSeenAt: Time.nullable(),
  createdAt: Time,
  updatedAt: Time,
});
export type Agent = z.infer<typeof Agent>;

export const CreateAgent = z.strictObject({
  name: Slug,
  title: Name.optional(),
  description: Description.default(""),
  environment: Environment.default("production"),
  endpoint: AgentEndpoint,
  /** The most calls at once, over all runs. */
  concurrency: z.number().int().min(1).max(LIMITS.agentConcurrency).optional(),
  /** Register an A2A agent although the scan has found something in its card. */
  acceptFindings: z.boolean().optional(),
});
export type CreateAgent = z.infer<typeof CreateAgent>;

const tag = "agents";
export const listAgents = defineRoute({
  name: "listAgents",
  method: "GET",
  path: "/api/v1/agents",
  summary: "List agents",
  tag,
  permission: "agent:read",
  query: PageQuery,
  response: pageOf(Agent),
  errors: ["cursor_invalid"],
});
export const createAgent = defineRoute({
  name: "createAgent",
  method: "POST",
  path: "/api/v1/agents",
  summary: "Register an agent; for a custom agent the answer carries its token, once",
  tag,
  permission: "agent:write",
  body: CreateAgent,
  response: Agent.extend({ token: z.string().optional() }),
  status: 201,
  errors: ["name_taken", "agent_unreachable", "agent_protocol_error", "agent_suspicious", "egress_denied"],
});
export const getAgent = defineRoute({
  name: "getAgent",
  method: "GET",
  path: "/api/v1/agents/:id",
  summary: "Read an agent",
  tag,
  permission: "agent:read",
  params: IdParams,
  response: Agent,
  errors: ["not_found"],
});
export const deleteAgent = defineRoute({
  name: "deleteAgent",
  method: "DELETE",
  path: "/api/v1/agents/:id",
  summary: "Delete an agent and end its connections",
  tag,
  permission: "agent:write",
  params: IdParams,
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
export const testAgent = defineRoute({
  name: "testAgent",
  method: "POST",
  path: "/api/v1/agents/:id/test",
  summary: "Call an agent once, outside a run",
  tag,
  permission: "agent:invoke",
  params: IdParams,
  body: z.strictObject({
    skill: z.string().max(128).optional(),
    model: z.string().max(128).optional(),
    input: Json,
    timeoutMs: z.number().int().min(1).max(600_000).default(30_000),
  }),
  response: z.object({ output: Json, latencyMs: z.number() }),
  errors: ["not_found", "agent_offline", "agent_failed", "agent_timeout", "agent_unreachable", "model_failed", "egress_denied"],
});

export const Model = z.object({ id: z.string(), provider: z.string(), languageModel: z.boolean(), description: z.string() });
export type Model = z.infer<typeof Model>;
export const listModels = defineRoute({
  name: "listModels",
  method: "GET",
  path: "/api/v1/models",
  summary: "List the models that steps can use",
  tag: "models",
  permission: "agent:read",
  response: z.object({ items: z.array(Model) }),
  errors: [],
});

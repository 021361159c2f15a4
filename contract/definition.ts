import { z } from "zod";
import { Description, Identifier, Json, Name, Slug, Tags } from "./common.ts";
import { LIMITS } from "./limits.ts";

/** What a repeated call would do. Only pure nodes and models are `none` by nature; unknown means `once`. */
export const EFFECTS = ["none", "idempotent", "once", "ask"] as const;
export const Effect = z.enum(EFFECTS);
export type Effect = z.infer<typeof Effect>;

export const Retry = z.strictObject({
  /** Counts the first attempt: 1 means no retry. */
  maxAttempts: z.number().int().min(1).max(LIMITS.attempts).default(1),
  backoffMs: z.number().int().min(0).max(3_600_000).default(1_000),
  factor: z.number().min(1).max(10).default(2),
  maxMs: z.number().int().min(0).max(86_400_000).default(60_000),
  /** Share of the delay that is random, 0 to 1. */
  jitter: z.number().min(0).max(1).default(0.2),
  /** Error codes to retry; absent means every error marked retryable. */
  on: z.array(z.string().min(1).max(64)).max(32).optional(),
});
export type Retry = z.infer<typeof Retry>;

export const Policy = z.strictObject({
  timeoutMs: z.number().int().min(1).max(LIMITS.timeoutMs).optional(),
  retry: Retry.optional(),
  effect: Effect.optional(),
  /** `branch` leaves by the `error` handle; `continue` succeeds with `{error}` as output. */
  onError: z.enum(["fail", "continue", "branch"]).optional(),
});
export type Policy = z.infer<typeof Policy>;

const Value = z.union([Json]);
const Data = {
  start: z.strictObject({}),
  end: z.strictObject({ output: Value.optional() }),
  transform: z.strictObject({ output: Value }),
  condition: z.strictObject({ when: Value }),
  map: z.strictObject({
    items: Value,
    concurrency: z.number().int().min(1).max(LIMITS.mapConcurrency).default(8),
    onItemError: z.enum(["fail", "continue"]).default("fail"),
  }),
  mcp_tool: z.strictObject({
    server: Slug,
    tool: z.string().min(1).max(256),
    arguments: z.record(z.string(), Value).default({}),
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
} as const;

const nodeBase = {
  id: Identifier,
  label: z.string().max(LIMITS.nameChars).optional(),
  position: z.strictObject({ x: z.number(), y: z.number() }).optional(),
  /** The `map` node this node is repeated in. */
  parentId: Identifier.optional(),
  policy: Policy.optional(),
};

/** In the order of the palette. */
export const NODE_TYPES = [
  "start",
  "end",
  "mcp_tool",
  "openai_model",
  "custom_agent",
  "a2a_agent",
  "transform",
  "condition",
  "map",
] as const;
export type NodeType = (typeof NODE_TYPES)[number];

export const WorkflowNode = z.discriminatedUnion("type", [
  z.strictObject({ ...nodeBase, type: z.literal("start"), data: Data.start.default({}) }),
  z.strictObject({ ...nodeBase, type: z.literal("end"), data: Data.end.default({}) }),
  z.strictObject({ ...nodeBase, type: z.literal("mcp_tool"), data: Data.mcp_tool }),
  z.strictObject({ ...nodeBase, type: z.literal("openai_model"), data: Data.openai_model }),
  z.strictObject({ ...nodeBase, type: z.literal("custom_agent"), data: Data.custom_agent }),
  z.strictObject({ ...nodeBase, type: z.literal("a2a_agent"), data: Data.a2a_agent }),
  z.strictObject({ ...nodeBase, type: z.literal("transform"), data: Data.transform }),
  z.strictObject({ ...nodeBase, type: z.literal("condition"), data: Data.condition }),
  z.strictObject({ ...nodeBase, type: z.literal("map"), data: Data.map }),
]);
export type WorkflowNode = z.infer<typeof WorkflowNode>;
export type NodeOf<T extends NodeType> = Extract<WorkflowNode, { type: T }>;

/** Handles by which an edge can leave a node of each type, beside `error`. */
export const HANDLES: Record<NodeType, readonly string[]> = {
  start: ["success"],
  end: [],
  mcp_tool: ["success"],
  openai_model: ["success"],
  custom_agent: ["success"],
  a2a_agent: ["success"],
  transform: ["success"],
  condition: ["true", "false"],
  map: ["success"],
};

export const WorkflowEdge = z.strictObject({
  id: z.string().min(1).max(128),
  source: Identifier,
  target: Identifier,
  sourceHandle: z.string().min(1).max(64).optional(),
  targetHandle: z.string().min(1).max(64).optional(),
});
export type WorkflowEdge = z.infer<typeof WorkflowEdge>;

/** A workflow definition, version 2: the canonical form, in JSON or YAML. */
export const Definition = z.strictObject({
  version: z.literal(2),
  name: Name,
  description: Description.optional(),
  tags: Tags.optional(),
  /** `confidential`: the bodies of the run's events are stored encrypted under the tenant's key. */
  classification: z.enum(["normal", "confidential"]).optional(),
  /** JSON Schema (2020-12) of the run's input. */
  input: z.record(z.string(), Json).optional(),
  nodes: z.array(WorkflowNode).min(1).max(LIMITS.nodesPerWorkflow),
  edges: z.array(WorkflowEdge).max(LIMITS.edgesPerWorkflow),
});
export type Definition = z.infer<typeof Definition>;
/** A definition as people write it, defaults not yet filled in. */
export type DefinitionInput = z.input<typeof Definition>;

import { z } from "zod";
import { Description, Identifier, Json, Name, Tags } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { NODE_DATA } from "./node-data.ts";
import { Policy } from "./policy.ts";

const nodeBase = {
  id: Identifier,
  label: z.string().max(LIMITS.nameChars).optional(),
  position: z.strictObject({ x: z.number(), y: z.number() }).optional(),
  /** The `map` or `loop` node this node is repeated in. */
  parentId: Identifier.optional(),
  policy: Policy.optional(),
};

/** In the order of the palette. */
export const NODE_TYPES = [
  "start",
  "end",
  "agent",
  "mcp_tool",
  "openai_model",
  "custom_agent",
  "a2a_agent",
  "team",
  "transform",
  "condition",
  "switch",
  "map",
  "loop",
  "join",
  "wait",
  "approval",
  "subworkflow",
  "context",
  "http",
  "code",
  "note",
] as const;
export type NodeType = (typeof NODE_TYPES)[number];

const node = <T extends NodeType, D extends z.ZodType>(type: T, data: D) => z.strictObject({ ...nodeBase, type: z.literal(type), data });

export const WorkflowNode = z.discriminatedUnion("type", [
  node("start", NODE_DATA.start.default({})),
  node("end", NODE_DATA.end.default({})),
  node("agent", NODE_DATA.agent),
  node("mcp_tool", NODE_DATA.mcp_tool),
  node("openai_model", NODE_DATA.openai_model),
  node("custom_agent", NODE_DATA.custom_agent),
  node("a2a_agent", NODE_DATA.a2a_agent),
  node("team", NODE_DATA.team),
  node("transform", NODE_DATA.transform),
  node("condition", NODE_DATA.condition),
  node("switch", NODE_DATA.switch),
  node("map", NODE_DATA.map),
  node("loop", NODE_DATA.loop),
  node("join", NODE_DATA.join.default({ mode: "all" })),
  node("wait", NODE_DATA.wait),
  node("approval", NODE_DATA.approval),
  node("subworkflow", NODE_DATA.subworkflow),
  node("context", NODE_DATA.context),
  node("http", NODE_DATA.http),
  node("code", NODE_DATA.code),
  node("note", NODE_DATA.note.default({ text: "" })),
]);
export type WorkflowNode = z.infer<typeof WorkflowNode>;
export type NodeOf<T extends NodeType> = Extract<WorkflowNode, { type: T }>;

const HANDLES: Record<NodeType, readonly string[]> = {
  start: ["success"],
  end: [],
  agent: ["success"],
  mcp_tool: ["success"],
  openai_model: ["success"],
  custom_agent: ["success"],
  a2a_agent: ["success"],
  team: ["success"],
  transform: ["success"],
  condition: ["true", "false"],
  switch: ["default"],
  map: ["success"],
  loop: ["success"],
  join: ["success"],
  wait: ["success"],
  approval: ["success", "rejected"],
  subworkflow: ["success"],
  context: ["success"],
  http: ["success"],
  code: ["success"],
  note: [],
};

/** Handles by which an edge can leave a node of this type, beside `error` and the cases of a `switch`. */
export const handlesOfType = (type: NodeType): readonly string[] => HANDLES[type];

/** Handles by which an edge can leave this very node. */
export function handlesOf(node: WorkflowNode): string[] {
  const cases = node.type === "switch" ? node.data.cases.map((item) => (typeof item === "string" ? item : item.name)) : [];
  return [...cases, ...HANDLES[node.type], ...(node.policy?.onError === "branch" ? ["error"] : [])];
}

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
  /** How long a run may take, waiting included. */
  timeoutMs: z.number().int().min(1).max(LIMITS.runTimeoutMs).optional(),
  /** JSON Schema (2020-12) of the run's input. */
  input: z.record(z.string(), Json).optional(),
  nodes: z.array(WorkflowNode).min(1).max(LIMITS.nodesPerWorkflow),
  edges: z.array(WorkflowEdge).max(LIMITS.edgesPerWorkflow),
});
export type Definition = z.infer<typeof Definition>;
/** A definition as people write it, defaults not yet filled in. */
export type DefinitionInput = z.input<typeof Definition>;

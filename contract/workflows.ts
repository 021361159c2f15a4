import { z } from "zod";
import { Environment, Id, IdParams, Json, Name, PageQuery, Slug, Time, pageOf } from "./common.ts";
import { Definition, NODE_TYPES } from "./definition.ts";
import { Issue } from "./errors.ts";
import { defineRoute } from "./route.ts";
import { LiveRunCounts } from "./versions.ts";

export const Workflow = z.object({
  id: Id,
  name: Name,
  /** The newest version. */
  version: z.number().int().min(1),
  description: z.string(),
  nodeTypes: z.array(z.enum(NODE_TYPES)),
  createdAt: Time,
  updatedAt: Time,
});
export type Workflow = z.infer<typeof Workflow>;

/** The definition as it was given, if that was in an old form: `definition` is what is made of it whenever it is loaded. */
const Source = Json.optional();

export const WorkflowDetail = Workflow.extend({
  definition: Definition,
  source: Source,
  /** When it is saved: what would keep its steps from calling their tools in production, as things are now. */
  warnings: z.array(Issue).optional(),
});
export type WorkflowDetail = z.infer<typeof WorkflowDetail>;

export const PublishedWorkflow = WorkflowDetail.extend({ liveRuns: LiveRunCounts });
export type PublishedWorkflow = z.infer<typeof PublishedWorkflow>;

export const WorkflowVersion = z.object({ version: z.number().int(), hash: z.string(), createdAt: Time, createdBy: z.string() });
export type WorkflowVersion = z.infer<typeof WorkflowVersion>;

/** The definition arrives as any JSON so that the engine can answer with every problem at once. */
export const CreateWorkflow = z.strictObject({ name: Name, definition: Json });
export const UpdateWorkflow = z.strictObject({
  name: Name.optional(),
  definition: Json,
  /** The version the change was made on; a newer one is a `conflict`. */
  baseVersion: z.number().int().min(1).optional(),
});

export const Validation = z.object({
  valid: z.boolean(),
  issues: z.array(Issue),
  /** What an old definition says that is not done as it says, and what would keep steps from calling their tools as things are now. */
  warnings: z.array(Issue).optional(),
});
export type Validation = z.infer<typeof Validation>;
/** Whose servers the steps are compared with. */
const ToolsOf = Environment.default("production");

const tag = "workflows";
export const listWorkflows = defineRoute({
  name: "listWorkflows",
  method: "GET",
  path: "/api/v1/workflows",
  summary: "List workflows",
  tag,
  permission: "workflow:read",
  query: PageQuery.extend({ name: z.string().max(120).optional() }),
  response: pageOf(Workflow),
  errors: ["cursor_invalid"],
});
export const createWorkflow = defineRoute({
  name: "createWorkflow",
  method: "POST",
  path: "/api/v1/workflows",
  summary: "Create a workflow",
  tag,
  permission: "workflow:write",
  body: CreateWorkflow,
  response: WorkflowDetail,
  status: 201,
  errors: ["workflow_invalid", "name_taken"],
});
export const getWorkflow = defineRoute({
  name: "getWorkflow",
  method: "GET",
  path: "/api/v1/workflows/:id",
  summary: "Read a workflow with its newest definition",
  tag,
  permission: "workflow:read",
  params: IdParams,
  response: WorkflowDetail,
  errors: ["not_found"],
});
export const updateWorkflow = defineRoute({
  name: "updateWorkflow",
  method: "PUT",
  path: "/api/v1/workflows/:id",
  summary: "Publish a new version; the answer counts the live runs on earlier ones by whether they could go on with it",
  tag,
  permission: "workflow:write",
  params: IdParams,
  body: UpdateWorkflow,
  response: PublishedWorkflow,
  errors: ["not_found", "workflow_invalid", "conflict", "name_taken"],
});
export const deleteWorkflow = defineRoute({
  name: "deleteWorkflow",
  method: "DELETE",
  path: "/api/v1/workflows/:id",
  summary: "Delete a workflow; its runs stay",
  tag,
  permission: "workflow:write",
  params: IdParams,
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
export const listWorkflowVersions = defineRoute({
  name: "listWorkflowVersions",
  method: "GET",
  path: "/api/v1/workflows/:id/versions",
  summary: "List the versions, newest first",
  tag,
  permission: "workflow:read",
  params: IdParams,
  query: PageQuery,
  response: pageOf(WorkflowVersion),
  errors: ["not_found", "cursor_invalid"],
});
export const getWorkflowVersion = defineRoute({
  name: "getWorkflowVersion",
  method: "GET",
  path: "/api/v1/workflows/:id/versions/:version",
  summary: "Read one version",
  tag,
  permission: "workflow:read",
  params: z.object({ id: Id, version: z.coerce.number().int().min(1).max(2_147_483_647) }),
  response: WorkflowVersion.extend({ definition: Definition, source: Source }),
  errors: ["not_found", "version_unknown"],
});
export const validateWorkflow = defineRoute({
  name: "validateWorkflow",
  method: "POST",
  path: "/api/v1/workflows/:id/validate",
  summary: "Check a definition (or, without one, the newest version) without saving",
  tag,
  permission: "workflow:read",
  params: IdParams,
  body: z.strictObject({ definition: Json.optional(), environment: ToolsOf }).optional(),
  response: Validation,
  errors: ["not_found"],
});
export const validateDefinition = defineRoute({
  name: "validateDefinition",
  method: "POST",
  path: "/api/v1/workflows/validate",
  summary: "Check a definition that is not saved",
  tag,
  permission: "workflow:read",
  body: z.strictObject({ definition: Json, environment: ToolsOf }),
  response: Validation,
  errors: [],
});

export const NodeTypeInfo = z.object({
  type: z.enum(NODE_TYPES),
  title: z.string(),
  summary: z.string(),
  category: z.enum(["flow", "agent", "data"]),
  handles: z.array(z.string()),
  /** JSON Schema of the node's `data`. */
  dataSchema: z.record(z.string(), Json),
  /** JSON Schema of the step's output; absent when it depends on the node. */
  outputSchema: z.record(z.string(), Json).optional(),
});
export type NodeTypeInfo = z.infer<typeof NodeTypeInfo>;

/** A tool that may be called, as a node: `type` and `data` go into a definition as they are, `arguments` beside what is in `data`. */
export const ToolPreset = z.object({
  type: z.literal("mcp_tool"),
  data: z.object({ server: Slug, tool: z.string() }),
  /** Hidden characters in title and description are written out, as in `⟦U+E0072⟧`. */
  title: z.string(),
  description: z.string(),
  /** JSON Schema of the `arguments`. */
  inputSchema: z.record(z.string(), Json),
  /** JSON Schema of the step's `structuredContent`; null when the tool does not say. */
  outputSchema: z.record(z.string(), Json).nullable(),
  toolId: Id,
  serverId: Id,
  serverName: Slug,
  environment: Environment,
});
export type ToolPreset = z.infer<typeof ToolPreset>;

/** About the tools: those of one environment, and of these the ones that `q` finds as it does in `listTools`. */
export const ToolPresetQuery = PageQuery.extend({ environment: Environment.default("production"), q: z.string().max(200).optional() });
export type ToolPresetQuery = z.infer<typeof ToolPresetQuery>;

export const listNodeTypes = defineRoute({
  name: "listNodeTypes",
  method: "GET",
  path: "/api/v1/node-types",
  summary: "List the node types with their schemas, and the approved tools of MCP servers as ready-made nodes",
  tag,
  permission: "workflow:read",
  query: ToolPresetQuery,
  response: z.object({
    items: z.array(NodeTypeInfo),
    /** A page of them; the node types come with every page. */
    tools: pageOf(ToolPreset),
  }),
  errors: ["cursor_invalid"],
});

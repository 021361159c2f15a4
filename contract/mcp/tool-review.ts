import { z } from "zod";
import { Id, IdParams, Json, Time } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { Effect } from "../policy.ts";
import { Issue } from "../errors.ts";
import { defineRoute } from "../route.ts";
import { Tool } from "./tools.ts";

/** SHA-256 of a canonical definition. Whatever is decided is decided about exactly the definition with this hash. */
export const DefinitionHash = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 as 64 hexadecimal digits");

/** A definition that the server has listed under the tool's name. */
export const SeenDefinition = z.object({
  hash: z.string(),
  firstSeenAt: Time,
  /** When it was last found replaced or missing; null while it is what the server lists. */
  lastSeenAt: Time.nullable(),
  /** How often the server has begun to list it: more than once, and it was changed and changed back. */
  times: z.number().int(),
  decision: z.enum(["approved", "rejected"]).nullable(),
  decidedBy: z.string().nullable(),
  decidedAt: Time.nullable(),
  reason: z.string().nullable(),
});
export type SeenDefinition = z.infer<typeof SeenDefinition>;

/** A part of a text that was changed. */
const TextPart = z.object({ kind: z.enum(["same", "removed", "added"]), text: z.string() });
export type TextPart = z.infer<typeof TextPart>;

/** One member that differs. Hidden characters in paths, values and texts are written out, as in `⟦U+E0072⟧`. */
export const DefinitionChange = z.object({
  /** As in `inputSchema.properties.path.description` or `inputSchema.required[0]`. */
  path: z.string(),
  kind: z.enum(["added", "removed", "changed"]),
  before: Json.optional(),
  after: Json.optional(),
  /** Of a text that was changed: which words. */
  text: z.array(TextPart).optional(),
});
export type DefinitionChange = z.infer<typeof DefinitionChange>;

/** A version of a workflow whose nodes call the tool. */
export const AffectedWorkflow = z.object({
  workflowId: Id,
  name: z.string(),
  version: z.number().int(),
  isNewest: z.boolean(),
  /** The nodes, also those inside containers. */
  nodes: z.array(z.object({ id: z.string(), label: z.string().optional(), parentId: z.string().optional() })),
  /** Runs of this version that are not over. */
  liveRuns: z.number().int(),
});
export type AffectedWorkflow = z.infer<typeof AffectedWorkflow>;

/** Newest workflow first; the runs that wait for the tool are named. */
export const ToolUse = z.object({
  workflows: z.array(AffectedWorkflow),
  /** Steps of live runs that wait until somebody approves or rejects the tool. */
  waiting: z.array(z.object({ runId: Id, scope: z.string(), nodeId: z.string(), since: Time })),
});
export type ToolUse = z.infer<typeof ToolUse>;

const Side = z.object({ hash: z.string(), findings: z.array(z.string()) });

export const ToolDiff = z.object({
  tool: Tool,
  /** Null: there is nothing to compare with, so that everything was added. */
  from: Side.nullable(),
  to: Side,
  changes: z.array(DefinitionChange),
  ...ToolUse.shape,
});
export type ToolDiff = z.infer<typeof ToolDiff>;

/** Of an example. */
const HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const Reason = z.string().trim().min(1).max(LIMITS.descriptionChars);
const AcceptFindings = z.boolean().default(false);
const tag = "tools";

export const getToolDiff = defineRoute({
  name: "getToolDiff",
  method: "GET",
  path: "/api/v1/tools/:id/diff",
  summary: "Compare what was approved with what is listed now, or any two definitions of the tool's history",
  tag,
  permission: "tool:read",
  params: IdParams,
  query: z.object({
    from: DefinitionHash.optional().describe("Instead of what was approved."),
    to: DefinitionHash.optional().describe("Instead of what is listed now."),
  }),
  response: ToolDiff,
  errors: ["not_found"],
});

export const getToolHistory = defineRoute({
  name: "getToolHistory",
  method: "GET",
  path: "/api/v1/tools/:id/history",
  summary: "List the definitions that the server has listed for this tool, newest first",
  tag,
  permission: "tool:read",
  params: IdParams,
  response: z.object({ items: z.array(SeenDefinition) }),
  errors: ["not_found"],
});

export const getToolUse = defineRoute({
  name: "getToolUse",
  method: "GET",
  path: "/api/v1/tools/:id/workflows",
  summary: "List the workflows and live runs that use the tool",
  tag,
  permission: "tool:read",
  params: IdParams,
  response: ToolUse,
  errors: ["not_found"],
});

const DECISION_ERRORS = ["not_found", "conflict", "permission_denied"] as const;

export const approveTool = defineRoute({
  name: "approveTool",
  method: "POST",
  path: "/api/v1/tools/:id/approve",
  summary: "Approve exactly the definition with this hash",
  tag,
  permission: "tool:approve",
  params: IdParams,
  body: z.strictObject({
    hash: DefinitionHash,
    effect: Effect.optional(),
    /** Approve although the scan has found something. */
    acceptFindings: AcceptFindings,
  }),
  example: { hash: HASH, effect: "none" },
  response: Tool,
  errors: [...DECISION_ERRORS, "tool_suspicious"],
});

export const rejectTool = defineRoute({
  name: "rejectTool",
  method: "POST",
  path: "/api/v1/tools/:id/reject",
  summary: "Reject exactly the definition with this hash; steps that wait for it fail",
  tag,
  permission: "tool:approve",
  params: IdParams,
  body: z.strictObject({ hash: DefinitionHash, reason: Reason }),
  example: { hash: HASH, reason: "It asks for keys." },
  response: Tool,
  errors: ["not_found", "conflict"],
});

const Decided = z.object({
  items: z.array(Tool),
  /** Those that stay as they are, and why. */
  refused: z.array(Issue.pick({ code: true, message: true }).extend({ id: Id, remedy: z.string() })),
});
export type Decided = z.infer<typeof Decided>;

export const approveTools = defineRoute({
  name: "approveTools",
  method: "POST",
  path: "/api/v1/tools/approve",
  summary: "Approve several tools, each at exactly its hash; one that is refused does not keep the others back",
  tag,
  permission: "tool:approve",
  body: z.strictObject({
    tools: z
      .array(z.strictObject({ id: Id, hash: DefinitionHash, effect: Effect.optional() }))
      .min(1)
      .max(LIMITS.toolsDecided),
    acceptFindings: AcceptFindings,
  }),
  example: { tools: [{ id: "0198c0de-0000-7000-8000-000000000001", hash: HASH }] },
  response: Decided,
  errors: [],
});

export const rejectTools = defineRoute({
  name: "rejectTools",
  method: "POST",
  path: "/api/v1/tools/reject",
  summary: "Reject several tools, each at exactly its hash",
  tag,
  permission: "tool:approve",
  body: z.strictObject({
    tools: z
      .array(z.strictObject({ id: Id, hash: DefinitionHash }))
      .min(1)
      .max(LIMITS.toolsDecided),
    reason: Reason,
  }),
  example: { tools: [{ id: "0198c0de-0000-7000-8000-000000000001", hash: HASH }], reason: "They ask for keys." },
  response: Decided,
  errors: [],
});

export const disableTool = defineRoute({
  name: "disableTool",
  method: "POST",
  path: "/api/v1/tools/:id/disable",
  summary: "Take a tool out of use, whatever its server lists, until somebody enables it",
  tag,
  permission: "tool:approve",
  params: IdParams,
  body: z.strictObject({ reason: Reason }),
  example: { reason: "Too slow today." },
  response: Tool,
  errors: ["not_found"],
});

export const enableTool = defineRoute({
  name: "enableTool",
  method: "POST",
  path: "/api/v1/tools/:id/enable",
  summary: "Let a tool be used again, if the definition with this hash is what its server lists and was approved",
  tag,
  permission: "tool:approve",
  params: IdParams,
  body: z.strictObject({ hash: DefinitionHash }),
  example: { hash: HASH },
  response: Tool,
  errors: DECISION_ERRORS,
});

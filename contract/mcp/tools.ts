import { z } from "zod";
import { QuestionAnswer } from "./questions.ts";
import { SERVER_ERRORS } from "./resources.ts";
import { Id, IdParams, Json, PageQuery, Slug, pageOf } from "../common.ts";
import { Effect } from "../policy.ts";
import { defineRoute } from "../route.ts";

export const APPROVALS = ["approved", "pending", "changed", "rejected"] as const;

export const Tool = z.object({
  id: Id,
  serverId: Id,
  serverName: Slug,
  name: z.string(),
  title: z.string().nullable(),
  description: z.string(),
  inputSchema: z.record(z.string(), Json),
  outputSchema: z.record(z.string(), Json).nullable(),
  annotations: z.record(z.string(), Json),
  /** SHA-256 of the canonical definition; what an approval is about. */
  hash: z.string(),
  approval: z.enum(APPROVALS),
  /** False while somebody has taken it out of use. */
  isEnabled: z.boolean(),
  /** Why it was rejected or disabled. */
  reason: z.string().nullable(),
  effect: Effect,
  /** Why the scan holds the tool back, if it does. */
  findings: z.array(z.string()),
  /** It was approved before the scan found some of that, because another server has listed its tools since; nobody has decided yet. */
  isFlagged: z.boolean(),
});

export type Tool = z.infer<typeof Tool>;

export const ToolResult = z.object({
  text: z.string(),
  structuredContent: Json.nullable(),
  content: z.array(Json),
  isError: z.boolean(),
  /** The tool was not called: it has answered the same call before. */
  cached: z.literal(true).optional(),
});

export type ToolResult = z.infer<typeof ToolResult>;

/** What the call of a tool may end with: those of every request, and why it may not be called, or not now. */
export const CALL_ERRORS = [
  ...SERVER_ERRORS,
  ...(["mcp_tool_unknown", "mcp_tool_not_approved", "mcp_tool_disabled", "tool_changed"] as const),
  ...(["mcp_breaker_open", "concurrency_timeout"] as const),
];

export const listServerTools = defineRoute({
  name: "listServerTools",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/tools",
  summary: "List the tools of one server",
  tag: "mcp-servers",
  permission: "tool:read",
  params: IdParams,
  response: z.object({ items: z.array(Tool) }),
  errors: ["not_found"],
});

export const listTools = defineRoute({
  name: "listTools",
  method: "GET",
  path: "/api/v1/tools",
  summary: "List the tools of all servers",
  tag: "tools",
  permission: "tool:read",
  query: PageQuery.extend({
    q: z
      .string()
      .max(200)
      .optional()
      .describe("Each of its words must be in the name, title, description or a parameter; those whose name fits come first."),
    approval: z.enum(APPROVALS).optional().describe("Only tools that stand so."),
    flagged: z.stringbool().optional().describe("`true`: only tools in which the scan has found something since they were approved."),
  }),
  response: pageOf(Tool),
  errors: ["cursor_invalid"],
});

export const callTool = defineRoute({
  name: "callTool",
  method: "POST",
  path: "/api/v1/tools/:id/call",
  summary: "Call a tool once, outside a run",
  tag: "tools",
  permission: "tool:call",
  params: IdParams,
  body: z.strictObject({
    arguments: z.record(z.string(), Json).default({}),
    timeoutMs: z.number().int().min(1).max(600_000).default(30_000),
    /** Of a call that ended with `mcp_input_required`: its token, and the answers by the keys of the questions. */
    resume: z
      .strictObject({
        token: z.string().min(1).max(1_024),
        answers: z
          .record(z.string().max(256), QuestionAnswer)
          .refine((answers) => Object.keys(answers).length <= 64, "expected at most 64 answers"),
      })
      .optional(),
  }),
  example: { arguments: { path: "/srv/reports" }, timeoutMs: 10_000 },
  response: ToolResult,
  errors: [...CALL_ERRORS, "mcp_input_required", "mcp_resume_invalid"],
});

import { z } from "zod";
import { Id, IdParams, Json, PageQuery, Slug, Time, pageOf } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";

export const QUESTION_STATUSES = ["pending", "accepted", "declined", "cancelled", "expired"] as const;
export const QuestionStatus = z.enum(QUESTION_STATUSES);
export type QuestionStatus = z.infer<typeof QuestionStatus>;

/** What a server asks: to fill in a form, or to open a page. */
export const ServerQuestion = z.discriminatedUnion("mode", [
  z.object({
    mode: z.literal("form"),
    message: z.string(),
    /** JSON Schema of a flat object; what an accepted answer has to fit. */
    requestedSchema: z.record(z.string(), Json),
  }),
  z.object({
    mode: z.literal("url"),
    message: z.string(),
    /** In full, with the name of its host as the network knows it. */
    url: z.string(),
    host: z.string(),
  }),
]);
export type ServerQuestion = z.infer<typeof ServerQuestion>;

export const McpQuestion = z.object({
  id: Id,
  serverId: Id,
  serverName: Slug,
  tool: z.string(),
  runId: Id,
  scope: z.string(),
  nodeId: z.string(),
  status: QuestionStatus,
  question: ServerQuestion,
  /** Why a person should look twice before answering. */
  findings: z.array(z.string()),
  askedAt: Time,
  expiresAt: Time,
  closedAt: Time.nullable(),
  closedBy: z.string().nullable(),
});
export type McpQuestion = z.infer<typeof McpQuestion>;

/** An answer to a question. `decline` says no; `cancel` says nothing. */
export const QuestionAnswer = z.strictObject({
  action: z.enum(["accept", "decline", "cancel"]),
  /** What was filled in, with `accept`. */
  content: z
    .record(
      z.string().max(256),
      z.union([z.string().max(LIMITS.mcpArgumentChars), z.number(), z.boolean(), z.array(z.string().max(1_024)).max(256)]),
    )
    .optional(),
});
export type QuestionAnswer = z.infer<typeof QuestionAnswer>;

const tag = "approvals";
export const listMcpQuestions = defineRoute({
  name: "listMcpQuestions",
  method: "GET",
  path: "/api/v1/mcp-questions",
  summary: "List what MCP servers ask of people, newest first",
  tag,
  permission: "approval:read",
  query: PageQuery.extend({
    status: QuestionStatus.optional().describe("Only questions with this status."),
    runId: Id.optional().describe("Only what steps of this run wait for."),
  }),
  response: pageOf(McpQuestion),
  errors: ["cursor_invalid"],
});

export const getMcpQuestion = defineRoute({
  name: "getMcpQuestion",
  method: "GET",
  path: "/api/v1/mcp-questions/:id",
  summary: "Read a question of an MCP server",
  tag,
  permission: "approval:read",
  params: IdParams,
  response: McpQuestion,
  errors: ["not_found"],
});

export const answerMcpQuestion = defineRoute({
  name: "answerMcpQuestion",
  method: "POST",
  path: "/api/v1/mcp-questions/:id/answer",
  summary: "Answer a question of an MCP server; the step that waits for it goes on",
  tag,
  permission: "approval:decide",
  params: IdParams,
  body: QuestionAnswer,
  example: { action: "accept", content: { name: "Anna", age: 7 } },
  response: McpQuestion,
  errors: ["not_found", "approval_closed", "request_invalid", "mcp_protocol_error"],
});

import { z } from "zod";
import { IdParams, Json } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";
import { PromptArguments } from "./prompts.ts";
import { RequestTimeout, SERVER_ERRORS, Uri } from "./resources.ts";

export const CompleteMcp = z.strictObject({
  ref: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("prompt"), name: z.string().min(1).max(256) }),
    z.strictObject({ type: z.literal("resource"), uriTemplate: Uri }),
  ]),
  /** What is being typed: an argument of the prompt, or a variable of the template. */
  argument: z.strictObject({ name: z.string().min(1).max(256), value: z.string().max(LIMITS.mcpArgumentChars) }),
  /** What has been filled in already. */
  context: PromptArguments.optional(),
  timeoutMs: RequestTimeout,
});
export type CompleteMcp = z.infer<typeof CompleteMcp>;

export const completeMcp = defineRoute({
  name: "completeMcp",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/complete",
  summary: "Values for an argument of a prompt or a variable of a template, as the server suggests them",
  tag: "mcp-servers",
  permission: "tool:call",
  params: IdParams,
  body: CompleteMcp,
  example: { ref: { type: "prompt", name: "translate" }, argument: { name: "language", value: "e" } },
  response: z.object({ values: z.array(z.string()), total: z.number().nullable(), hasMore: z.boolean() }),
  errors: [...SERVER_ERRORS, "mcp_uri_refused", "mcp_unsupported"],
});

export const ToolSuggestion = z.object({
  /** A member of the arguments that may stand at the place, or a value for it. */
  kind: z.enum(["property", "value"]),
  value: Json,
  type: z.string().nullable(),
  description: z.string().nullable(),
  isRequired: z.boolean(),
});
export type ToolSuggestion = z.infer<typeof ToolSuggestion>;

export const completeTool = defineRoute({
  name: "completeTool",
  method: "GET",
  path: "/api/v1/tools/:id/complete",
  summary: "What a tool's schema allows at a place of its arguments: members, or values",
  tag: "tools",
  permission: "tool:read",
  params: IdParams,
  query: z.object({
    path: z.string().max(1_024).default("").describe("Names of members and indices, parted by dots; empty for the arguments themselves."),
  }),
  response: z.object({ items: z.array(ToolSuggestion) }),
  errors: ["not_found"],
});

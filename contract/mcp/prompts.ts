import { z } from "zod";
import { Id, IdParams, Json } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";
import { Listed, RequestTimeout, SERVER_ERRORS } from "./resources.ts";

export const McpPrompt = z.object({
  name: z.string(),
  title: z.string().nullable(),
  description: z.string().nullable(),
  arguments: z.array(z.object({ name: z.string(), description: z.string().nullable(), required: z.boolean() })),
  findings: z.array(z.string()),
});
export type McpPrompt = z.infer<typeof McpPrompt>;

export const PromptArguments = z
  .record(z.string().max(256), z.string().max(LIMITS.mcpArgumentChars))
  .refine((given) => Object.keys(given).length <= 128, "expected at most 128 arguments");

export const listMcpPrompts = defineRoute({
  name: "listMcpPrompts",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/prompts",
  summary: "List the prompts of a server",
  tag: "mcp-servers",
  permission: "tool:read",
  params: IdParams,
  response: z.object({ items: z.array(McpPrompt), ...Listed }),
  errors: SERVER_ERRORS,
});

export const getMcpPrompt = defineRoute({
  name: "getMcpPrompt",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/prompts/:name/get",
  summary: "Have a prompt filled in",
  tag: "mcp-servers",
  permission: "tool:call",
  params: z.object({ id: Id, name: z.string().min(1).max(256) }),
  body: z.strictObject({ arguments: PromptArguments.default({}), timeoutMs: RequestTimeout }),
  example: { arguments: { language: "en" } },
  response: z.object({ description: z.string().nullable(), messages: z.array(Json), findings: z.array(z.string()) }),
  errors: [...SERVER_ERRORS, "mcp_prompt_unknown", "request_invalid"],
});

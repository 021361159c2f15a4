import { z } from "zod";
import { IdParams, Json, Time } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";
import { FAILURE_CODES } from "./failures.ts";

/** Why a person should look twice before trusting what a server says here. */
const Findings = z.array(z.string());
export const Uri = z.string().min(1).max(LIMITS.mcpUriChars);
/** When the server last listed it, and whether it may have changed since: while it restarts, what it listed before stays. */
export const Listed = { listedAt: Time, isStale: z.boolean() };
export const RequestTimeout = z.number().int().min(1).max(600_000).default(30_000);
/** What every request to a server may end with: it may have to be connected first, or again. */
export const SERVER_ERRORS = [
  ...(["not_found", "mcp_server_not_ready", "mcp_server_quarantined", "mcp_sessions_full", "mcp_input_refused", "launch_refused"] as const),
  ...FAILURE_CODES,
];

export const McpResource = z.object({
  uri: z.string(),
  name: z.string(),
  title: z.string().nullable(),
  description: z.string().nullable(),
  mimeType: z.string().nullable(),
  size: z.number().nullable(),
  findings: Findings,
});
export type McpResource = z.infer<typeof McpResource>;

export const McpResourceTemplate = McpResource.omit({ uri: true, size: true }).extend({
  /** RFC 6570. */
  uriTemplate: z.string(),
  variables: z.array(z.string()),
});
export type McpResourceTemplate = z.infer<typeof McpResourceTemplate>;

export const listMcpResources = defineRoute({
  name: "listMcpResources",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/resources",
  summary: "List the resources of a server",
  tag: "mcp-servers",
  permission: "tool:read",
  params: IdParams,
  response: z.object({ items: z.array(McpResource), ...Listed }),
  errors: SERVER_ERRORS,
});

export const listMcpResourceTemplates = defineRoute({
  name: "listMcpResourceTemplates",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/resource-templates",
  summary: "List the templates of a server's resources",
  tag: "mcp-servers",
  permission: "tool:read",
  params: IdParams,
  response: z.object({ items: z.array(McpResourceTemplate), ...Listed }),
  errors: SERVER_ERRORS,
});

const Variable = z.union([z.string().max(LIMITS.mcpUriChars), z.array(z.string().max(LIMITS.mcpUriChars)).max(64)]);
export const ReadMcpResource = z.union([
  z.strictObject({ uri: Uri, timeoutMs: RequestTimeout }),
  z.strictObject({
    /** One of the server's templates, and values for its variables. */
    uriTemplate: Uri,
    variables: z
      .record(z.string().max(128), Variable)
      .refine((variables) => Object.keys(variables).length <= 64, "expected at most 64 variables")
      .default({}),
    timeoutMs: RequestTimeout,
  }),
]);
export type ReadMcpResource = z.infer<typeof ReadMcpResource>;

export const McpResourceContents = z.object({
  uri: z.string(),
  contents: z.array(Json),
});
export type McpResourceContents = z.infer<typeof McpResourceContents>;

export const readMcpResource = defineRoute({
  name: "readMcpResource",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/resources/read",
  summary: "Read a resource; its address is passed to that server and to nothing else",
  tag: "mcp-servers",
  permission: "tool:call",
  params: IdParams,
  body: ReadMcpResource,
  example: { uri: "file:///srv/reports/may.md" },
  response: McpResourceContents,
  errors: [...SERVER_ERRORS, "request_invalid", "mcp_uri_refused", "mcp_unsupported"],
});

export const streamMcpResource = defineRoute({
  name: "streamMcpResource",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/resources/stream",
  summary: "Be told when a resource changes (SSE): `updated`, and `resync` when changes may have been missed",
  tag: "mcp-servers",
  permission: "tool:call",
  params: IdParams,
  query: z.object({ uri: Uri.describe("An address that the server lists, or that one of its templates could become.") }),
  response: z.string(),
  errors: [...SERVER_ERRORS, "mcp_uri_refused", "mcp_unsupported", "rate_limited"],
  stream: "sse",
});

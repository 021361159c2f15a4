import { z } from "zod";
import { Description, Environment, Id, IdParams, Json, PageQuery, Slug, Time, pageOf } from "./common.ts";
import { Effect } from "./policy.ts";
import { defineRoute } from "./route.ts";

export const SERVER_STATES = ["STOPPED", "STARTING", "READY", "DEGRADED", "STOPPING", "FAILED", "QUARANTINED"] as const;
export const ServerState = z.enum(SERVER_STATES);
export type ServerState = z.infer<typeof ServerState>;

const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/);
/** `secret:name` refers to the vault; any other value is stored as it is. */
const EnvValue = z.string().max(4_096);
export const StdioLaunch = z.strictObject({
  transport: z.literal("stdio"),
  command: z.string().min(1).max(1_024),
  args: z.array(z.string().max(4_096)).max(128).default([]),
  env: z.record(EnvName, EnvValue).default({}),
  cwd: z.string().max(1_024).optional(),
});
export const HttpLaunch = z.strictObject({
  transport: z.literal("http"),
  url: z.url({ protocol: /^https?$/ }).max(2_048),
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]{1,128}$/), EnvValue).default({}),
});
export const Launch = z.discriminatedUnion("transport", [StdioLaunch, HttpLaunch]);
export type Launch = z.infer<typeof Launch>;

export const McpServer = z.object({
  id: Id,
  name: Slug,
  description: Description,
  environment: Environment,
  launch: Launch,
  /** Whether exactly this launch has been approved; a stdio server starts only then. */
  launchApproved: z.boolean(),
  desired: z.enum(["running", "stopped"]),
  state: ServerState,
  confinement: z.enum(["unconfined", "remote"]),
  protocolVersion: z.string().nullable(),
  serverVersion: z.string().nullable(),
  toolCount: z.number().int(),
  lastError: z.object({ code: z.string(), message: z.string(), remedy: z.string(), at: Time }).nullable(),
  pid: z.number().int().nullable(),
  startedAt: Time.nullable(),
  restarts: z.number().int(),
  createdAt: Time,
  updatedAt: Time,
});
export type McpServer = z.infer<typeof McpServer>;

export const CreateMcpServer = z.strictObject({
  name: Slug,
  description: Description.default(""),
  environment: Environment.default("production"),
  launch: Launch,
  /** Start it right after registration. */
  start: z.boolean().default(true),
});
export type CreateMcpServer = z.infer<typeof CreateMcpServer>;

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
  effect: Effect,
  /** Why the scan holds the tool back, if it does. */
  findings: z.array(z.string()),
});
export type Tool = z.infer<typeof Tool>;

export const ToolResult = z.object({
  text: z.string(),
  structuredContent: Json.nullable(),
  content: z.array(Json),
  isError: z.boolean(),
});
export type ToolResult = z.infer<typeof ToolResult>;

export const ServerLogLine = z.object({ id: z.string(), at: Time, stream: z.enum(["stderr", "event"]), text: z.string() });
export type ServerLogLine = z.infer<typeof ServerLogLine>;

/** The format that Claude Desktop, Cursor and Windsurf share. */
export const McpServersFile = z.strictObject({
  mcpServers: z
    .record(
      z.string().min(1).max(63),
      z.strictObject({
        command: z.string().min(1).max(1_024).optional(),
        args: z.array(z.string().max(4_096)).max(128).optional(),
        env: z.record(EnvName, EnvValue).optional(),
        cwd: z.string().max(1_024).optional(),
        type: z.enum(["stdio", "http", "streamable-http"]).optional(),
        url: z.string().max(2_048).optional(),
        headers: z.record(z.string(), EnvValue).optional(),
      }),
    )
    .refine((o) => Object.keys(o).length <= 64, "expected at most 64 servers"),
});
export type McpServersFile = z.infer<typeof McpServersFile>;

const tag = "mcp-servers";
export const listMcpServers = defineRoute({
  name: "listMcpServers",
  method: "GET",
  path: "/api/v1/mcp-servers",
  summary: "List MCP servers",
  tag,
  permission: "mcp_server:read",
  query: PageQuery,
  response: pageOf(McpServer),
  errors: ["cursor_invalid"],
});
export const createMcpServer = defineRoute({
  name: "createMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers",
  summary: "Register an MCP server and, by default, start it",
  tag,
  permission: "mcp_server:write",
  body: CreateMcpServer,
  response: McpServer,
  status: 201,
  errors: ["name_taken"],
});
export const importMcpServers = defineRoute({
  name: "importMcpServers",
  method: "POST",
  path: "/api/v1/mcp-servers/import",
  summary: "Register, start and list every server of an `mcpServers` document",
  tag,
  permission: "mcp_server:write",
  body: McpServersFile,
  response: z.object({ items: z.array(McpServer) }),
  status: 201,
  errors: ["name_taken", "request_invalid"],
});
export const getMcpServer = defineRoute({
  name: "getMcpServer",
  method: "GET",
  path: "/api/v1/mcp-servers/:id",
  summary: "Read a server with its state",
  tag,
  permission: "mcp_server:read",
  params: IdParams,
  response: McpServer,
  errors: ["not_found"],
});
export const deleteMcpServer = defineRoute({
  name: "deleteMcpServer",
  method: "DELETE",
  path: "/api/v1/mcp-servers/:id",
  summary: "Stop and delete a server",
  tag,
  permission: "mcp_server:write",
  params: IdParams,
  response: z.undefined(),
  status: 204,
  errors: ["not_found"],
});
export const startMcpServer = defineRoute({
  name: "startMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/start",
  summary: "Start a server and wait until it is ready",
  tag,
  permission: "mcp_server:control",
  params: IdParams,
  response: McpServer,
  errors: [
    "not_found",
    "launch_not_approved",
    "mcp_command_not_found",
    "mcp_exited",
    "mcp_handshake_failed",
    "mcp_connection_refused",
    "mcp_unauthorized",
    "mcp_timeout",
    "egress_denied",
  ],
});
export const stopMcpServer = defineRoute({
  name: "stopMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/stop",
  summary: "Stop a server and its whole process tree",
  tag,
  permission: "mcp_server:control",
  params: IdParams,
  response: McpServer,
  errors: ["not_found"],
});
export const restartMcpServer = defineRoute({
  name: "restartMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/restart",
  summary: "Stop, then start",
  tag,
  permission: "mcp_server:control",
  params: IdParams,
  response: McpServer,
  errors: startMcpServer.errors,
});
export const approveMcpLaunch = defineRoute({
  name: "approveMcpLaunch",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/approve",
  summary: "Approve exactly this launch",
  tag,
  permission: "tool:approve",
  params: IdParams,
  response: McpServer,
  errors: ["not_found", "permission_denied"],
});
export const listServerTools = defineRoute({
  name: "listServerTools",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/tools",
  summary: "List the tools of one server",
  tag,
  permission: "tool:read",
  params: IdParams,
  response: z.object({ items: z.array(Tool) }),
  errors: ["not_found"],
});
export const listServerLogs = defineRoute({
  name: "listServerLogs",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/logs",
  summary: "Read stderr and lifecycle lines, newest first",
  tag,
  permission: "mcp_server:read",
  params: IdParams,
  query: PageQuery,
  response: pageOf(ServerLogLine),
  errors: ["not_found", "cursor_invalid"],
});
export const listTools = defineRoute({
  name: "listTools",
  method: "GET",
  path: "/api/v1/tools",
  summary: "List the tools of all servers",
  tag: "tools",
  permission: "tool:read",
  query: PageQuery.extend({ q: z.string().max(200).optional() }),
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
  }),
  response: ToolResult,
  errors: ["not_found", "mcp_tool_not_approved", "tool_changed", "mcp_server_not_ready", "mcp_timeout", "mcp_protocol_error", "mcp_exited"],
});
export const approveTool = defineRoute({
  name: "approveTool",
  method: "POST",
  path: "/api/v1/tools/:id/approve",
  summary: "Approve exactly the definition with this hash",
  tag: "tools",
  permission: "tool:approve",
  params: IdParams,
  body: z.strictObject({ hash: z.string().regex(/^[0-9a-f]{64}$/), effect: Effect.optional() }),
  response: Tool,
  errors: ["not_found", "conflict"],
});

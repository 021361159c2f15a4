import { z } from "zod";
import { Description, Environment, Id, IdParams, Json, PageQuery, Slug, Time, pageOf } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";
import { Caps, Sandbox } from "./confinement.ts";
import { FAILURE_CODES } from "./failures.ts";
import { Quarantine, ServerHealth } from "./health.ts";
import { ServerSettings } from "./settings.ts";
import { LaunchWarning } from "./warnings.ts";

export const SERVER_STATES = ["STOPPED", "STARTING", "READY", "DEGRADED", "STOPPING", "FAILED", "QUARANTINED"] as const;

export const ServerState = z.enum(SERVER_STATES);

export type ServerState = z.infer<typeof ServerState>;

export const EnvName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    "expected a name of letters, digits and _, not starting with a digit, of at most 128 characters",
  );

/** `secret:name` refers to the vault; any other value is stored as it is. */
export const EnvValue = z.string().max(4_096);

const noNul = (text: string): boolean => !text.includes("\0");
const NUL = "expected text without the NUL character";

/** Named values of a launch: environment variables, headers or parameters of the address. */
const values = (name: z.ZodString) =>
  z
    .record(name, EnvValue)
    .refine((given) => Object.keys(given).length <= LIMITS.launchValues, `expected at most ${LIMITS.launchValues} entries`);

export const StdioLaunch = z.strictObject({
  transport: z.literal("stdio"),
  command: z.string().min(1).max(1_024).refine(noNul, NUL),
  /** An argument of the form `secret:name` or `--option=secret:name` refers to the vault. */
  args: z.array(z.string().max(4_096).refine(noNul, NUL)).max(LIMITS.launchArguments).default([]),
  env: values(EnvName).default({}),
  /** Absolute, without symbolic links. */
  cwd: z.string().max(1_024).optional(),
  caps: Caps.optional(),
  /** Without one the server may do whatever this user may. */
  sandbox: Sandbox.optional(),
});

export const HttpLaunch = z.strictObject({
  transport: z.literal("http"),
  url: z.url({ protocol: /^https?$/ }).max(2_048),
  /** `sse` is HTTP with SSE as of 2024-11-05. Without a type, Streamable HTTP is tried first and that where it is not there. */
  type: z.enum(["streamable-http", "sse"]).optional(),
  headers: values(
    z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, "expected a name of letters, digits, _, . and -, of at most 128 characters"),
  ).default({}),
  /** Parameters that the address gets when it is called: a credential stands here as `secret:name`, never in `url`. */
  query: values(z.string().regex(/^[!-~]{1,128}$/)).optional(),
});

export const Launch = z.discriminatedUnion("transport", [StdioLaunch, HttpLaunch]);

export type Launch = z.infer<typeof Launch>;

/** Which era of the protocol a server was found to be of: `legacy` is up to 2025-11-25, `modern` from 2026-07-28 on. */
export const EraVerdict = z.object({ era: z.enum(["legacy", "modern"]), protocolVersion: z.string().nullable(), decidedAt: Time });

export type EraVerdict = z.infer<typeof EraVerdict>;

export const McpServer = z.object({
  id: Id,
  name: Slug,
  description: Description,
  environment: Environment,
  launch: Launch,
  /** Whether exactly this launch, with these roots, has been approved. Nothing of another launch starts before that. */
  launchApproved: z.boolean(),
  /** Of what would run, as it was last seen: the launch, with the bytes of its executable and its script. */
  launchHash: z.string(),
  /** The roots that the server is told of. While those of its settings differ, they wait for approval. */
  approvedRoots: z.array(z.string()).nullable(),
  /** What an approver should look at. */
  warnings: z.array(LaunchWarning),
  settings: ServerSettings,
  desired: z.enum(["running", "stopped"]),
  state: ServerState,
  confinement: z.enum(["sandboxed", "unconfined", "remote"]),
  protocolVersion: z.string().nullable(),
  era: EraVerdict.nullable(),
  serverVersion: z.string().nullable(),
  toolCount: z.number().int(),
  lastError: z.object({ code: z.string(), message: z.string(), remedy: z.string(), at: Time }).nullable(),
  pid: z.number().int().nullable(),
  startedAt: Time.nullable(),
  restarts: z.number().int(),
  /** Null when it is not taken out. */
  quarantine: Quarantine.nullable(),
  /** Null before the first check. */
  health: ServerHealth.nullable(),
  /** When a server that has failed is tried again by itself. */
  nextAttemptAt: Time.nullable(),
  createdAt: Time,
  updatedAt: Time,
});

export type McpServer = z.infer<typeof McpServer>;

export const CreateMcpServer = z.strictObject({
  name: Slug,
  description: Description.default(""),
  environment: Environment.default("production"),
  launch: Launch,
  settings: ServerSettings.optional(),
  /** Start it right after registration. */
  start: z.boolean().default(true),
});

export type CreateMcpServer = z.infer<typeof CreateMcpServer>;

export const LAUNCH_APPROVALS = ["approved", "waiting"] as const;

export const ServerQuery = PageQuery.extend({
  name: z.string().max(LIMITS.nameChars).optional().describe("Exactly this name; each environment has at most one."),
  q: z.string().max(200).optional().describe("Each of its words must be in the name or the description."),
  state: ServerState.optional().describe("Only servers in this state."),
  environment: Environment.optional().describe("Only servers of this environment."),
  approval: z.enum(LAUNCH_APPROVALS).optional().describe("`waiting`: what would run, or its roots, is not what has been approved."),
});

export type ServerQuery = z.infer<typeof ServerQuery>;

export const listMcpServers = defineRoute({
  name: "listMcpServers",
  method: "GET",
  path: "/api/v1/mcp-servers",
  summary: "List MCP servers, all or those that fit every filter",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  query: ServerQuery,
  response: pageOf(McpServer),
  errors: ["cursor_invalid"],
});

export const createMcpServer = defineRoute({
  name: "createMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers",
  summary: "Register an MCP server and, by default, start it",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  body: CreateMcpServer,
  example: {
    name: "reports",
    launch: { transport: "stdio", command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", "/srv/reports"] },
  },
  response: McpServer,
  status: 201,
  errors: ["name_taken", "launch_refused", "egress_denied"],
});

export const getMcpServer = defineRoute({
  name: "getMcpServer",
  method: "GET",
  path: "/api/v1/mcp-servers/:id",
  summary: "Read a server with its state",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  response: McpServer,
  errors: ["not_found"],
});

/** What is left out stays as it is. */
export const UpdateMcpServer = z.strictObject({
  name: Slug.optional(),
  description: Description.optional(),
  /** The whole launch. A value that was shown masked means the stored one. */
  launch: Launch.optional(),
  /** Settings by name; null restores a default. */
  settings: z.record(z.string().min(1).max(64), Json).optional(),
});
export type UpdateMcpServer = z.infer<typeof UpdateMcpServer>;

export const updateMcpServer = defineRoute({
  name: "updateMcpServer",
  method: "PATCH",
  path: "/api/v1/mcp-servers/:id",
  summary: "Change a server; another launch stops it until that is approved, other roots wait for their approval",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  params: IdParams,
  body: UpdateMcpServer,
  example: { description: "Monthly reports", settings: { idleTimeoutMs: 60_000, logLevel: null } },
  response: McpServer,
  errors: ["not_found", "name_taken", "launch_refused", "egress_denied", "request_invalid", "conflict"],
});

export const deleteMcpServer = defineRoute({
  name: "deleteMcpServer",
  method: "DELETE",
  path: "/api/v1/mcp-servers/:id",
  summary: "Stop and delete a server",
  tag: "mcp-servers",
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
  tag: "mcp-servers",
  permission: "mcp_server:control",
  params: IdParams,
  response: McpServer,
  errors: ["not_found", "mcp_server_quarantined", "mcp_server_not_ready", "launch_refused", ...FAILURE_CODES],
});

export const stopMcpServer = defineRoute({
  name: "stopMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/stop",
  summary: "Stop a server and its whole process tree",
  tag: "mcp-servers",
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
  tag: "mcp-servers",
  permission: "mcp_server:control",
  params: IdParams,
  response: McpServer,
  errors: startMcpServer.errors,
});

export const approveMcpLaunch = defineRoute({
  name: "approveMcpLaunch",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/approve",
  summary: "Approve exactly this launch, with its roots",
  tag: "mcp-servers",
  permission: "tool:approve",
  params: IdParams,
  /** What the approver has looked at: when the server would run something else by now, nothing is approved. */
  body: z.strictObject({ launchHash: z.string().max(256).optional(), roots: ServerSettings.shape.roots }).optional(),
  example: { launchHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", roots: ["/srv/reports"] },
  response: McpServer,
  errors: ["not_found", "conflict", "launch_refused", "mcp_command_not_found", "mcp_command_not_executable", "egress_denied"],
});

import { z } from "zod";
import { Environment, Id, IdParams, Json, Time } from "../common.ts";
import { defineRoute } from "../route.ts";
import { ConnectionFailureView } from "./failures.ts";
import { EraVerdict, Launch } from "./servers.ts";

/** In this order; a stdio server is launched, any other connected to. */
export const TEST_STAGES = ["launch", "connect", "handshake", "list", "ping", "sample_call"] as const;
const TestStageName = z.enum(TEST_STAGES);
export type TestStageName = z.infer<typeof TestStageName>;

export const TestStage = z.object({
  stage: TestStageName,
  status: z.enum(["ok", "failed", "skipped"]),
  ms: z.number().int(),
  /** What came of it, or why it was skipped. */
  detail: z.string(),
});
export type TestStage = z.infer<typeof TestStage>;

/** Something that is wrong, found without starting anything. */
export const CheckFinding = z.object({
  /** Where: in the registration, as in `launch.env.API_KEY`, or in a step that uses the server, as in `workflows.Sums.second.arguments.a`. */
  path: z.string(),
  /** `error`: a start, or this step, will fail. `warning`: it works, but not all that the settings say. */
  severity: z.enum(["error", "warning"]).default("error"),
  code: z.string(),
  message: z.string(),
  cause: z.string(),
  /** What should be there, and what is, where that can be said in a few words. */
  expected: z.string().optional(),
  got: z.string().optional(),
  remedy: z.string(),
});
export type CheckFinding = z.infer<typeof CheckFinding>;

export const ServerTest = z.object({
  id: Id,
  /** Null for a launch that was not registered. */
  serverId: Id.nullable(),
  at: Time,
  ms: z.number().int(),
  ok: z.boolean(),
  /** Of the launch that was tested, as an approval would be about it. */
  launchHash: z.string(),
  protocolVersion: z.string().nullable(),
  era: EraVerdict.shape.era.nullable(),
  serverInfo: z.object({ name: z.string(), version: z.string() }).nullable(),
  capabilities: z.record(z.string(), Json),
  /** How many it lists, and the first of them. */
  toolCount: z.number().int(),
  tools: z.array(z.object({ name: z.string(), title: z.string().nullable(), readOnly: z.boolean() })),
  stages: z.array(TestStage),
  failure: ConnectionFailureView.extend({ stage: TestStageName }).nullable(),
  /** What the check without a start has found. */
  findings: z.array(CheckFinding),
});
export type ServerTest = z.infer<typeof ServerTest>;

const SampleCall = {
  /** The tool to call; without it, one that says of itself that it only reads. */
  tool: z.string().min(1).max(128).optional(),
  /** Without them, a sample is made from the tool's schema. */
  arguments: z.record(z.string(), Json).optional(),
};

export const testMcpServer = defineRoute({
  name: "testMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/test",
  summary: "Test a registered server in isolation: launch or connect, handshake, list, ping, sample call",
  tag: "mcp-servers",
  permission: "mcp_server:control",
  params: IdParams,
  body: z.strictObject(SampleCall).optional(),
  example: { tool: "list_directory", arguments: { path: "/srv/reports" } },
  response: ServerTest,
  /** The last two: it was taken out, or given another launch, while the test was under way. */
  errors: ["not_found", "unavailable", "mcp_server_quarantined", "conflict"],
});

export const testMcpLaunch = defineRoute({
  name: "testMcpLaunch",
  method: "POST",
  path: "/api/v1/mcp-servers/test",
  summary: "Test a launch before it is registered; only for whom the registration would itself be the approval",
  tag: "mcp-servers",
  permission: "mcp_server:write",
  body: z.strictObject({ environment: Environment.default("production"), launch: Launch, ...SampleCall }),
  example: { launch: { transport: "http", url: "https://mcp.example.com/mcp", headers: { authorization: "secret:crm_token" } } },
  response: ServerTest,
  errors: ["launch_not_approved", "launch_refused", "egress_denied", "unavailable"],
});

export const listMcpServerTests = defineRoute({
  name: "listMcpServerTests",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/tests",
  summary: "List the last tests of a server, newest first; those of the same launch before its registration too",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  response: z.object({ items: z.array(ServerTest) }),
  errors: ["not_found"],
});

export const checkMcpServer = defineRoute({
  name: "checkMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/check",
  summary: "Find in one pass what keeps a server from working, without starting anything",
  tag: "mcp-servers",
  permission: "mcp_server:control",
  params: IdParams,
  /** `ok`: no finding is an error. */
  response: z.object({ ok: z.boolean(), findings: z.array(CheckFinding) }),
  errors: ["not_found"],
});

export const ToolSample = z.object({
  toolId: Id,
  /** Of the definition that the sample was made from. */
  hash: z.string(),
  arguments: z.record(z.string(), Json),
  /** What an answer must look like to be as expected; `structuredContent` is an example of it. */
  expected: z.object({
    isError: z.literal(false),
    structuredContent: Json.nullable(),
    outputSchema: z.record(z.string(), Json).nullable(),
  }),
});
export type ToolSample = z.infer<typeof ToolSample>;

export const getToolSample = defineRoute({
  name: "getToolSample",
  method: "GET",
  path: "/api/v1/tools/:id/sample",
  summary: "Make sample arguments from a tool's schema, and say what an answer must look like",
  tag: "tools",
  permission: "tool:read",
  params: IdParams,
  response: ToolSample,
  errors: ["not_found", "mcp_schema_unusable", "unavailable"],
});

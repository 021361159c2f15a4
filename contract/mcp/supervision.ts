import { z } from "zod";
import { IdParams } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";
import { McpServer } from "./servers.ts";

export const quarantineMcpServer = defineRoute({
  name: "quarantineMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/quarantine",
  summary: "Take a server out: its processes end, and nobody calls it until it is released",
  tag: "mcp-servers",
  permission: "mcp_server:control",
  params: IdParams,
  body: z.strictObject({ reason: z.string().trim().min(1).max(LIMITS.quarantineReasonChars) }),
  example: { reason: "It reads more than it should." },
  response: McpServer,
  errors: ["not_found", "conflict"],
});

export const releaseMcpServer = defineRoute({
  name: "releaseMcpServer",
  method: "POST",
  path: "/api/v1/mcp-servers/:id/release",
  summary: "Let a server out of quarantine, and start it if it is wanted",
  tag: "mcp-servers",
  permission: "mcp_server:control",
  params: IdParams,
  response: McpServer,
  errors: ["not_found", "conflict"],
});

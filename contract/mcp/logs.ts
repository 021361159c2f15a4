import { z } from "zod";
import { IdParams, PageQuery, Time, pageOf } from "../common.ts";
import { defineRoute } from "../route.ts";

export const ServerLogLine = z.object({ id: z.string(), at: Time, stream: z.enum(["stderr", "event"]), text: z.string() });

export type ServerLogLine = z.infer<typeof ServerLogLine>;

export const listServerLogs = defineRoute({
  name: "listServerLogs",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/logs",
  summary: "Read stderr and lifecycle lines, newest first",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  query: PageQuery,
  response: pageOf(ServerLogLine),
  errors: ["not_found", "cursor_invalid"],
});

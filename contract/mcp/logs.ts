import { z } from "zod";
import { Id, IdParams, PageQuery, Time, pageOf } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { defineRoute } from "../route.ts";

/** How serious a line is, from the least to the most: the levels of MCP, which are those of syslog. */
export const LOG_LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"] as const;

export const LogLevel = z.enum(LOG_LEVELS);
export type LogLevel = z.infer<typeof LogLevel>;

/** `stderr` is what the process wrote, `message` what the server sent as a log message, `event` what the platform saw. */
export const LOG_STREAMS = ["stderr", "event", "message"] as const;

export const ServerLogLine = z.object({
  id: z.string(),
  at: Time,
  stream: z.enum(LOG_STREAMS),
  /** Of messages; other lines have none. */
  level: LogLevel.nullable(),
  /** The process that the line is from or about. */
  processId: Id.nullable(),
  /** Control characters and those that change the direction of text are written as escapes. */
  text: z.string(),
});

export type ServerLogLine = z.infer<typeof ServerLogLine>;

const LogFilter = z.object({
  q: z.string().min(1).max(LIMITS.mcpLogSearchChars).optional().describe("Only lines with this text in them, whatever its case."),
  stream: z.enum(LOG_STREAMS).optional().describe("Only lines of this kind."),
  level: LogLevel.optional().describe("Only messages that are at least so serious."),
  since: Time.optional().describe("Only lines from this time on."),
  processId: Id.optional().describe("Only lines of or about this process."),
});
export type LogFilter = z.infer<typeof LogFilter>;

export const listServerLogs = defineRoute({
  name: "listServerLogs",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/logs",
  summary: "Read and search stderr, log messages and lifecycle lines, newest first",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  query: PageQuery.extend(LogFilter.shape),
  response: pageOf(ServerLogLine),
  errors: ["not_found", "cursor_invalid"],
});

export const downloadServerLogs = defineRoute({
  name: "downloadServerLogs",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/logs/download",
  summary: "All lines that are kept as text, oldest first",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  query: LogFilter,
  response: z.string(),
  errors: ["not_found"],
  stream: "text",
});

export const streamServerLogs = defineRoute({
  name: "streamServerLogs",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/logs/stream",
  summary: "Follow the lines as they come (SSE); `id` is the line's, `Last-Event-ID` resumes; begins after `after`, else with what comes",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  query: LogFilter.extend({ after: z.coerce.number().int().min(0).optional().describe("The id of the last line that is known.") }),
  headers: z.object({
    "last-event-id": z
      .string()
      .regex(/^\d{1,15}$/)
      .optional(),
  }),
  response: z.string(),
  errors: ["not_found"],
  stream: "sse",
});

import { z } from "zod";
import { IdParams, Json, PageQuery, pageOf } from "../common.ts";
import { LIMITS } from "../limits.ts";
import { Message, ServerFrameFilter } from "../messages.ts";
import { defineRoute } from "../route.ts";
import { CALL_ERRORS } from "./tools.ts";

const tag = "mcp-servers";

export const listServerFrames = defineRoute({
  name: "listServerFrames",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/frames",
  summary: "List what went to a server and came from it, newest first, or oldest first within a run",
  tag,
  permission: "message:read",
  params: IdParams,
  query: ServerFrameFilter.extend(PageQuery.shape),
  response: pageOf(Message),
  errors: ["not_found", "cursor_invalid", "frame_search_too_long"],
});

export const exportServerFrames = defineRoute({
  name: "exportServerFrames",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/frames/export",
  summary: "All frames that fit, newest first, one JSON document per line",
  tag,
  permission: "message:read",
  params: IdParams,
  query: ServerFrameFilter,
  response: z.string(),
  errors: ["not_found"],
  stream: "ndjson",
});

export const streamServerFrames = defineRoute({
  name: "streamServerFrames",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/frames/stream",
  summary: "Follow the frames of a server (SSE): events `begun`, `frame` and `missed`; `Last-Event-ID` resumes",
  tag,
  permission: "message:read",
  params: IdParams,
  query: ServerFrameFilter.omit({ since: true, until: true }),
  headers: z.object({ "last-event-id": z.string().max(256).optional() }),
  response: z.string(),
  errors: ["not_found", "cursor_invalid"],
  stream: "sse",
});

export const replayFrame = defineRoute({
  name: "replayFrame",
  method: "POST",
  path: "/api/v1/frames/:id/replay",
  summary: "Send a recorded request again, under the rules and approvals of now",
  tag: "messages",
  /** Whoever reads frames may send what they may also ask for without one: lists need `tool:read`, a ping `mcp_server:control`, all else `tool:call`. */
  permission: "message:read",
  params: IdParams,
  body: z.strictObject({ timeoutMs: z.number().int().min(1).max(LIMITS.toolCallMs).default(30_000) }).optional(),
  example: { timeoutMs: 10_000 },
  response: z.object({
    /** What was recorded: the request, and its answer if one came. */
    request: Message,
    before: Message.nullable(),
    /** What the server answers now. */
    now: z.object({ result: Json, latencyMs: z.number() }),
  }),
  errors: [...CALL_ERRORS, "frame_not_replayable", "mcp_uri_refused", "mcp_prompt_unknown", "mcp_unsupported"],
});

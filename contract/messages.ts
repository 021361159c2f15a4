import { z } from "zod";
import { Id, IdParams, Json, PageQuery, Time, pageOf } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";

export const PROTOCOLS = ["mcp", "openai", "custom", "a2a", "http"] as const;
export const Protocol = z.enum(PROTOCOLS);
export type Protocol = z.infer<typeof Protocol>;

export const MCP_TRANSPORTS = ["stdio", "http", "sse"] as const;
export type McpTransport = (typeof MCP_TRANSPORTS)[number];
/** `legacy`: a session begun by `initialize`, up to 2025-11-25. `modern`: 2026-07-28, each request for itself. */
export const MCP_ERAS = ["legacy", "modern"] as const;
export type McpEra = (typeof MCP_ERAS)[number];

export const DIRECTIONS = ["out", "in"] as const;
export const MESSAGE_KINDS = ["request", "response", "notification", "error", "chunk"] as const;

/** One protocol frame: a request, answer or notification that crossed the platform's border, joined to its step. */
export const Message = z.object({
  id: Id,
  at: Time,
  protocol: Protocol,
  /** `out` left the platform, `in` arrived. */
  direction: z.enum(DIRECTIONS),
  kind: z.enum(MESSAGE_KINDS),
  /** JSON-RPC method, HTTP path or frame type. */
  method: z.string(),
  from: z.string(),
  to: z.string(),
  /** Equal for a request and its answer. */
  correlationId: z.string(),
  runId: Id.nullable(),
  scope: z.string().nullable(),
  nodeId: z.string().nullable(),
  attempt: z.number().int().nullable(),
  /** Of an MCP server's frame. Of one of the gateway's client all but the first, and the tool by the name that it has there. */
  serverId: Id.nullable(),
  connectionId: Id.nullable(),
  transport: z.enum(MCP_TRANSPORTS).nullable(),
  era: z.enum(MCP_ERAS).nullable(),
  /** The tool that is called, and its answer. */
  tool: z.string().nullable(),
  /** Of an answer that tells of a failure: the protocol's code, or `tool_error` for a result that says so. */
  errorCode: z.string().nullable(),
  /** As it was sent or received. */
  sizeBytes: z.number().int(),
  /** Of an answer: time since its request. */
  latencyMs: z.number().nullable(),
  /** Redacted; shortened beyond the frame limit. */
  content: Json,
  truncated: z.boolean(),
  /** Secrets were inside; they are not in `content`. */
  redacted: z.boolean(),
});
export type Message = z.infer<typeof Message>;

/** Which messages to show; what is left out does not matter. */
export const MessageFilter = z.object({
  runId: Id.optional(),
  nodeId: z.string().max(64).optional(),
  protocol: Protocol.optional(),
  correlationId: z.string().max(LIMITS.idempotencyKeyChars).optional(),
  server: Id.optional(),
  direction: z.enum(DIRECTIONS).optional(),
  kind: z.enum(MESSAGE_KINDS).optional(),
  method: z.string().max(128).optional(),
  tool: z.string().max(128).optional(),
  /** `true`: only answers that tell of a failure. */
  errors: z.stringbool().optional(),
  minLatencyMs: z.coerce.number().min(0).optional(),
  since: Time.optional(),
  until: Time.optional(),
  /** Part of the content or the method, in any case. */
  q: z.string().min(1).max(LIMITS.frameQueryChars).optional(),
});
export type MessageFilter = z.infer<typeof MessageFilter>;
export const ServerFrameFilter = MessageFilter.omit({ server: true, protocol: true });

export const listMessages = defineRoute({
  name: "listMessages",
  method: "GET",
  path: "/api/v1/messages",
  summary: "List protocol messages, oldest first within a run, else newest first",
  tag: "messages",
  permission: "message:read",
  query: MessageFilter.extend(PageQuery.shape),
  response: pageOf(Message),
  errors: ["cursor_invalid", "frame_search_too_long"],
});

export const exportMessages = defineRoute({
  name: "exportMessages",
  method: "GET",
  path: "/api/v1/messages/export",
  summary: "All messages that fit, newest first, one JSON document per line",
  tag: "messages",
  permission: "message:read",
  query: MessageFilter,
  response: z.string(),
  errors: [],
  stream: "ndjson",
});

export const getFrame = defineRoute({
  name: "getFrame",
  method: "GET",
  path: "/api/v1/frames/:id",
  summary: "Read a frame with the others of its exchange: the answer of a request, the request of an answer",
  tag: "messages",
  permission: "message:read",
  params: IdParams,
  response: z.object({ frame: Message, others: z.array(Message) }),
  errors: ["not_found"],
});

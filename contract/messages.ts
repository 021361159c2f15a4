import { z } from "zod";
import { Id, Json, PageQuery, Time, pageOf } from "./common.ts";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";

export const PROTOCOLS = ["mcp", "openai", "custom", "a2a", "http"] as const;
export const Protocol = z.enum(PROTOCOLS);
export type Protocol = z.infer<typeof Protocol>;

/** One protocol frame: a request, answer or notification that crossed the platform's border, joined to its step. */
export const Message = z.object({
  id: Id,
  at: Time,
  protocol: Protocol,
  /** `out` left the platform, `in` arrived. */
  direction: z.enum(["out", "in"]),
  kind: z.enum(["request", "response", "notification", "error", "chunk"]),
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
  sizeBytes: z.number().int(),
  /** Of an answer: time since its request. */
  latencyMs: z.number().nullable(),
  /** Redacted; shortened beyond the frame limit. */
  content: Json,
  truncated: z.boolean(),
});
export type Message = z.infer<typeof Message>;

export const listMessages = defineRoute({
  name: "listMessages",
  method: "GET",
  path: "/api/v1/messages",
  summary: "List protocol messages, oldest first within a run, else newest first",
  tag: "messages",
  permission: "message:read",
  query: PageQuery.extend({
    runId: Id.optional(),
    nodeId: z.string().max(64).optional(),
    protocol: Protocol.optional(),
    correlationId: z.string().max(LIMITS.idempotencyKeyChars).optional(),
  }),
  response: pageOf(Message),
  errors: ["cursor_invalid"],
});

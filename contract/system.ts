import { QuestionStatus } from "./mcp/questions.ts";
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { defineRoute } from "./route.ts";
import { RunStatus } from "./runs.ts";
import { ServerState } from "#contract/mcp/servers.ts";

const tag = "system";
export const healthz = defineRoute({
  name: "healthz",
  method: "GET",
  path: "/healthz",
  summary: "The process is alive",
  tag,
  permission: "public",
  response: z.object({ status: z.literal("ok") }),
  errors: [],
});
export const readyz = defineRoute({
  name: "readyz",
  method: "GET",
  path: "/readyz",
  summary: "The platform can serve: the database answers and migrations are applied",
  tag,
  permission: "public",
  response: z.object({ status: z.literal("ready"), version: z.string(), uptimeMs: z.number() }),
  errors: ["unavailable"],
});
export const metricsText = defineRoute({
  name: "metricsText",
  method: "GET",
  path: "/metrics",
  summary: "Metrics in the Prometheus text format",
  tag,
  permission: "metrics:read",
  response: z.string(),
  errors: [],
  stream: "text",
});

/**
 * What a fresh list has shown of a tool (`reverted`: it is again what was approved; `back`: listed again; `flagged`: another server's list
 * has, see `isFlagged`), or what somebody has decided.
 */
export const ToolChange = z.enum(["new", "changed", "reverted", "gone", "back", "flagged", "approved", "rejected", "disabled", "enabled"]);
export type ToolChange = z.infer<typeof ToolChange>;

/**
 * One stream per browser. Each event is a hint that something changed; the reader fetches the truth by REST.
 * `run` carries the newest `seq`, so a reader asks for the journal after the one it has.
 */
export const LiveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("run"), runId: z.string(), workflowId: z.string(), status: RunStatus, seq: z.number().int() }),
  z.object({ type: z.literal("mcp_server"), serverId: z.string(), state: ServerState }),
  z.object({
    type: z.literal("mcp_tools"),
    serverId: z.string(),
    /** The first of them; `count` is how many there are. */
    tools: z.array(z.object({ id: z.string(), name: z.string(), change: ToolChange })).max(LIMITS.liveTools),
    count: z.number().int(),
    /** Workflows that call them, as far as they are named. */
    workflows: z.array(z.string()).max(LIMITS.liveWorkflows),
  }),
  /** How far the call of a step under way has come, as the other side says. The journal knows nothing of it. */
  z.object({
    type: z.literal("step_progress"),
    runId: z.string(),
    scope: z.string(),
    nodeId: z.string(),
    progress: z.number(),
    total: z.number().optional(),
    message: z.string().max(LIMITS.liveMessageChars).optional(),
  }),
  z.object({ type: z.literal("mcp_question"), questionId: z.string(), runId: z.string(), status: QuestionStatus }),
  z.object({ type: z.literal("agent"), agentId: z.string(), status: z.enum(["online", "offline", "unknown"]) }),
  z.object({ type: z.literal("workflow"), workflowId: z.string(), version: z.number().int() }),
  /** This reader was too slow and hints were dropped: fetch everything shown again. */
  z.object({ type: z.literal("resync") }),
]);
export type LiveEvent = z.infer<typeof LiveEvent>;
export const streamEvents = defineRoute({
  name: "streamEvents",
  method: "GET",
  path: "/api/v1/events",
  summary: "Hints about everything that changes in the workspace (SSE)",
  tag,
  permission: "run:read",
  response: z.string(),
  errors: [],
  stream: "sse",
});

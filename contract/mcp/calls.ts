import { z } from "zod";
import { Id, IdParams, Time } from "../common.ts";
import { defineRoute } from "../route.ts";

/**
 * How calls ended. `ok` and `tool_error`: the tool has answered. `refused`: the server has, with an error of the protocol. `failed` and
 * `timeout`: nobody has. `cached`: an earlier answer was given. `limited` and `breaker`: the call was not made.
 */
export const CALL_OUTCOMES = ["ok", "tool_error", "refused", "failed", "timeout", "cancelled", "cached", "limited", "breaker"] as const;
export const CallOutcome = z.enum(CALL_OUTCOMES);
export type CallOutcome = z.infer<typeof CallOutcome>;

const Breaker = z.object({
  /** `open`: nothing is called until `retryAt`. `half_open`: one call may show whether it answers again. */
  state: z.enum(["closed", "open", "half_open"]),
  /** Calls in a row without an answer. */
  failures: z.number().int(),
  retryAt: Time.nullable(),
});
export type Breaker = z.infer<typeof Breaker>;

const Load = z.object({ running: z.number().int(), waiting: z.number().int(), atOnce: z.number().int(), breaker: Breaker });

export const ServerCalls = Load.extend({
  serverId: Id,
  tools: z.array(
    Load.extend({
      name: z.string(),
      counts: z.record(CallOutcome, z.number().int()),
      /** Of the last calls that were answered. */
      p50Ms: z.number().nullable(),
      p95Ms: z.number().nullable(),
    }),
  ),
});
export type ServerCalls = z.infer<typeof ServerCalls>;

export const getServerCalls = defineRoute({
  name: "getServerCalls",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/calls",
  summary:
    "What this process has called of a server: how much runs and waits, how calls ended and how long they took, what the breakers say",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  response: ServerCalls,
  errors: ["not_found"],
});

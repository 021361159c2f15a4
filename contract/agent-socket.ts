import { z } from "zod";
import { Json } from "./common.ts";
import { Skill } from "./agents.ts";

/**
 * `/ws/agents`: the protocol of custom agents, version 1. Every frame is one JSON text message. The agent speaks first
 * with `hello`; the platform answers `welcome` (or closes with 4401/4400 and a reason). Then the platform sends `invoke`
 * and `cancel`; the agent answers each `invoke` with any number of `progress` and exactly one `result` or `failure`.
 * `key` is equal over all attempts of one piece of work: an agent that has finished a key answers with the same result.
 */
export const AGENT_PROTOCOL = "auterity.agent.v1";

export const AgentHello = z.object({
  type: z.literal("hello"),
  protocol: z.literal(AGENT_PROTOCOL),
  version: z.string().min(1).max(64),
  /**
   * Random, made once per process. It says that this process still remembers the keys it was sent over an earlier
   * connection, so that work whose effect must not happen twice can be asked for again.
   */
  instance: z.string().min(1).max(64).optional(),
  skills: z.array(Skill).min(1).max(64),
  /** How many invocations the agent wants at once. */
  concurrency: z.number().int().min(1).max(256).default(8),
});
export const AgentProgress = z.object({ type: z.literal("progress"), id: z.string(), data: Json });
export const AgentResult = z.object({ type: z.literal("result"), id: z.string(), output: Json });
export const AgentFailure = z.object({
  type: z.literal("failure"),
  id: z.string(),
  message: z.string().max(8_192),
  retryable: z.boolean().default(false),
});
export const FromAgent = z.discriminatedUnion("type", [AgentHello, AgentProgress, AgentResult, AgentFailure]);
export type FromAgent = z.infer<typeof FromAgent>;

export const ToAgent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("welcome"), agentId: z.string(), name: z.string() }),
  z.object({
    type: z.literal("invoke"),
    id: z.string(),
    skill: z.string(),
    input: Json,
    key: z.string(),
    runId: z.string().nullable(),
    stepId: z.string().nullable(),
    /** How long the platform will wait from now on; relative, because clocks differ. */
    deadlineMs: z.number(),
  }),
  z.object({ type: z.literal("cancel"), id: z.string(), reason: z.string() }),
]);
export type ToAgent = z.infer<typeof ToAgent>;

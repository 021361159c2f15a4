import { z } from "zod";
import { LIMITS } from "../limits.ts";
import { AllowedHost } from "./confinement.ts";
import { LogLevel } from "./logs.ts";

const Folder = z
  .string()
  .regex(/^\/[^\0]*$/, "expected an absolute path")
  .max(1_024);

/**
 * How the connections to a server are shared: one for all, several of which each call goes to the least busy, or one for each
 * session (a run, or whoever calls outside of runs), for servers that keep something between calls.
 */
export const Sharing = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("shared") }),
  z.strictObject({ mode: z.literal("pooled"), processes: z.number().int().min(2).max(LIMITS.mcpPoolProcesses) }),
  z.strictObject({
    mode: z.literal("session"),
    /** Sessions at the same time, in each process of the platform. */
    sessions: z.number().int().min(1).max(LIMITS.mcpSessions).optional(),
  }),
]);
export type Sharing = z.infer<typeof Sharing>;

const KeptMs = z.number().int().min(0).max(LIMITS.mcpCacheMs);

/** How its tools are called, in each process of the platform. */
export const CallSettings = z.strictObject({
  /** Calls of the server at once, and of each of its tools; more wait for their turn. */
  concurrency: z.number().int().min(1).max(LIMITS.mcpServerCalls).optional(),
  toolConcurrency: z.number().int().min(1).max(LIMITS.mcpToolCalls).optional(),
  /** For so long the result of a read-only tool answers the same call again. Without it, or with 0, nothing is kept. */
  cacheMs: KeptMs.optional(),
  /** Results that are kept end with the connection that they came over. */
  forgetOnRestart: z.boolean().optional(),
  /** By name, what is different for a tool. */
  tools: z
    .record(
      z.string().min(1).max(128),
      z.strictObject({ concurrency: z.number().int().min(1).max(LIMITS.mcpToolCalls).optional(), cacheMs: KeptMs.optional() }),
    )
    .refine((tools) => Object.keys(tools).length <= LIMITS.mcpToolSettings, `expected at most ${LIMITS.mcpToolSettings} tools`)
    .optional(),
});
export type CallSettings = z.infer<typeof CallSettings>;

/**
 * How a registered server is used. It says nothing about what runs, so changing it needs no new approval, but for the roots;
 * whatever decides what runs, or what it may reach, is approved.
 */
export const ServerSettings = z.strictObject({
  sharing: Sharing.optional(),
  /** Folders that the server is told to work in, once they are approved like its launch. It is told, not confined: some servers let in what they are told. */
  roots: z.array(Folder).max(LIMITS.mcpRoots).optional(),
  /** Lets the server ask a registered model. Without it, it may not. */
  sampling: z
    .strictObject({
      model: z.string().min(1).max(128),
      /** Of one answer, however many the server asks for. */
      maxTokens: z.number().int().min(1).max(LIMITS.mcpSamplingTokens),
      perMinute: z.number().int().min(1).max(LIMITS.mcpSamplingPerMinute),
    })
    .optional(),
  /**
   * Whether the server may ask people questions; it may, unless this is false. With hosts, it may send people only to pages of these, and of
   * its own if it is reached over HTTP.
   */
  elicitation: z
    .union([z.boolean(), z.strictObject({ hosts: z.array(AllowedHost).max(LIMITS.mcpQuestionHosts) })], {
      error: `expected true, false or {"hosts": ["example.org", …]} with at most ${LIMITS.mcpQuestionHosts} hosts`,
    })
    .optional(),
  /**
   * What the scan finds something in is served at `/mcp` too: prompts, resources and templates. Whoever turns this on must be able
   * to approve the server's tools.
   */
  allowFlagged: z.boolean().optional(),
  /** From which level on it is asked to send log messages; without it, it decides itself. */
  logLevel: LogLevel.optional(),
  /** A call that neither answers nor tells of progress for so long is given up, whatever its own time. */
  idleTimeoutMs: z.number().int().min(100).max(LIMITS.timeoutMs).optional(),
  calls: CallSettings.optional(),
});
export type ServerSettings = z.infer<typeof ServerSettings>;

import { z } from "zod";
import { Time } from "../common.ts";
import { LIMITS } from "../limits.ts";

/** Why a server was taken out, by whom (`system:mcp` for a rule), and since when. */
export const Quarantine = z.object({ reason: z.string().max(LIMITS.quarantineReasonChars), by: z.string(), since: Time });
export type Quarantine = z.infer<typeof Quarantine>;

/** What the last checks of a server have shown. */
export const ServerHealth = z.object({
  lastCheckAt: Time,
  /** Of the last check that was answered. */
  latencyMs: z.number().nullable(),
  /** Over the last checks and calls. */
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
  /** In a row, until now. */
  failedChecks: z.number().int(),
});
export type ServerHealth = z.infer<typeof ServerHealth>;

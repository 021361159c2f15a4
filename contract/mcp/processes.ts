import { z } from "zod";
import { Id, IdParams, Time } from "../common.ts";
import { defineRoute } from "../route.ts";
import { Caps } from "./confinement.ts";

/** What a process and all that it started use together. */
export const TreeUsage = z.object({
  memoryBytes: z.number().int(),
  cpuMs: z.number().int(),
  /** Over the last while; 100 is one core. Null until it has run that long. */
  cpuPercent: z.number().nullable(),
  processes: z.number().int(),
  openFiles: z.number().int(),
  /** Of the server's own folders. */
  diskBytes: z.number().int(),
});

/** One start of a stdio server. */
export const ServerProcess = z.object({
  id: Id,
  /** The machine. */
  host: z.string(),
  pid: z.number().int().nullable(),
  startedAt: Time,
  endedAt: Time.nullable(),
  exitCode: z.number().int().nullable(),
  exitSignal: z.string().nullable(),
  /** Null when it has ended, or when another process of the platform runs it. */
  usage: TreeUsage.nullable(),
});
export type ServerProcess = z.infer<typeof ServerProcess>;

export const listServerProcesses = defineRoute({
  name: "listServerProcesses",
  method: "GET",
  path: "/api/v1/mcp-servers/:id/processes",
  summary: "The newest starts of a stdio server, what they may use and what they use now; newest first",
  tag: "mcp-servers",
  permission: "mcp_server:read",
  params: IdParams,
  response: z.object({
    /** What each may use; null for a remote server. */
    caps: Caps.required().nullable(),
    items: z.array(ServerProcess),
  }),
  errors: ["not_found"],
});

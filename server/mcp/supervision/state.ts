import type { ServerState } from "#contract/mcp/servers.ts";

/**
 * The life of a server, as data.
 *
 * STOPPED      no process, none wanted
 * STARTING     being launched, or waiting for the next attempt after a failure
 * READY        answers, its tools are listed
 * DEGRADED     connected, but the last check failed; calls still go through
 * STOPPING     being ended with its whole process tree
 * FAILED       given up, with the reason kept; a person's start begins again
 * QUARANTINED  taken out because its tools keep changing; a person's start lets it out
 */
export const NEXT = {
  STOPPED: ["STARTING", "FAILED"],
  STARTING: ["STARTING", "READY", "STOPPING", "FAILED"],
  READY: ["STARTING", "DEGRADED", "STOPPING", "FAILED"],
  DEGRADED: ["STARTING", "READY", "STOPPING", "FAILED"],
  STOPPING: ["STOPPED", "STARTING", "FAILED", "QUARANTINED"],
  FAILED: ["STARTING", "STOPPING", "FAILED"],
  QUARANTINED: ["STARTING", "STOPPING"],
} as const satisfies Record<ServerState, readonly ServerState[]>;

export function canMove(from: ServerState, to: ServerState): boolean {
  const next: readonly ServerState[] = NEXT[from];
  return next.includes(to);
}

/** States in which calls go through. */
export const isUp = (state: ServerState): boolean => state === "READY" || state === "DEGRADED";

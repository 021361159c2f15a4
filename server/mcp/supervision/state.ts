import type { ServerState } from "#contract/mcp/servers.ts";

/**
 * The life of a server, as data: what can happen in each state, and which state follows.
 *
 * STOPPED      no process, none wanted
 * STARTING     being launched, or waiting for the next attempt after a failure
 * READY        answers, its tools are listed
 * DEGRADED     connected, but the last check failed; calls still go through
 * STOPPING     being ended with its whole process tree
 * FAILED       given up, with the reason kept; a person's start begins again, and so does a single probe after a while
 * QUARANTINED  taken out by a person or by a rule; only a release lets it out
 */
export const TRANSITIONS = {
  STOPPED: { start: "STARTING", quarantined: "QUARANTINED" },
  STARTING: { start: "STARTING", retry: "STARTING", ready: "READY", give_up: "FAILED", stop: "STOPPING" },
  READY: { check_failed: "DEGRADED", retry: "STARTING", give_up: "FAILED", stop: "STOPPING" },
  DEGRADED: { check_passed: "READY", retry: "STARTING", give_up: "FAILED", stop: "STOPPING" },
  STOPPING: { ended: "STOPPED", survived: "FAILED", quarantined: "QUARANTINED" },
  FAILED: { start: "STARTING", probe: "STARTING", stop: "STOPPING" },
  QUARANTINED: { released: "STOPPED" },
} as const satisfies Record<ServerState, Partial<Record<string, ServerState>>>;

type CausesOf<T> = T extends unknown ? keyof T : never;
export type Cause = CausesOf<(typeof TRANSITIONS)[ServerState]>;

/** Undefined when this cannot happen in that state. */
export function nextState(from: ServerState, cause: Cause): ServerState | undefined {
  const next: Partial<Record<Cause, ServerState>> = TRANSITIONS[from];
  return next[cause];
}

/** What is wanted of a server. */
export type Wanted = "running" | "stopped" | "quarantined";
/** `down`: end what runs, then look again. */
type Action = "start" | "down" | "quarantined" | "released" | "nothing";

/**
 * What brings a server closer to how it is wanted. A wanted one that has failed is left to a person's start or to the probe,
 * and one that is starting to its attempt.
 */
export const RECONCILE = {
  running: {
    STOPPED: "start",
    STARTING: "nothing",
    READY: "nothing",
    DEGRADED: "nothing",
    STOPPING: "down",
    FAILED: "nothing",
    QUARANTINED: "released",
  },
  stopped: {
    STOPPED: "nothing",
    STARTING: "down",
    READY: "down",
    DEGRADED: "down",
    STOPPING: "down",
    FAILED: "down",
    QUARANTINED: "released",
  },
  quarantined: {
    STOPPED: "quarantined",
    STARTING: "down",
    READY: "down",
    DEGRADED: "down",
    STOPPING: "down",
    // Its sessions may still answer.
    FAILED: "down",
    QUARANTINED: "nothing",
  },
} as const satisfies Record<Wanted, Record<ServerState, Action>>;

/** States in which calls go through. */
export const isUp = (state: ServerState): boolean => state === "READY" || state === "DEGRADED";

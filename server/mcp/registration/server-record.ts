import type { Environment } from "#contract/common.ts";
import type { Quarantine, ServerHealth } from "#contract/mcp/health.ts";
import type { EraVerdict, Launch, McpServer, ServerState } from "#contract/mcp/servers.ts";
import type { ServerSettings } from "#contract/mcp/settings.ts";
import { maskLaunch } from "./launch.ts";
import { launchWarnings } from "./launch-warnings.ts";
import { scriptWarnings } from "./script.ts";

/** What a server was found to be, and of which launch that was said. */
export type StoredVerdict = EraVerdict & { launchHash: string };

/** A registered server as the slice knows it. */
export type ServerRecord = {
  readonly id: string;
  readonly tenantId: string;
  readonly environment: Environment;
  readonly name: string;
  readonly description: string;
  readonly launch: Launch;
  readonly settings: ServerSettings;
  /** Of the launch as it would run now, as far as is known. */
  readonly launchHash: string;
  readonly approvedLaunchHash: string | null;
  /** What the server is told; those of the settings wait for approval while they differ. Null for none. */
  readonly approvedRoots: readonly string[] | null;
  /** Who has asked for what waits for approval. */
  readonly launchMakers: readonly string[];
  /** The registration was itself the approval: the first catalogue needs no look at each tool. */
  readonly catalogueTrusted: boolean;
  readonly cataloguePinned: boolean;
  readonly desired: McpServer["desired"];
  /** How often a person has asked for it, in any process. */
  readonly startsAsked: number;
  readonly restartsAsked: number;
  readonly state: ServerState;
  readonly protocolVersion: string | null;
  readonly era: StoredVerdict | null;
  readonly serverVersion: string | null;
  readonly lastError: McpServer["lastError"];
  readonly pid: number | null;
  readonly startedAt: Date | null;
  readonly restarts: number;
  readonly quarantine: Quarantine | null;
  readonly health: ServerHealth | null;
  /** When a server that was given up, or has failed to start, is tried again by itself. */
  readonly nextAttemptAt: Date | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
};

type Approved = Pick<ServerRecord, "launchHash" | "approvedLaunchHash" | "settings" | "approvedRoots">;

export const hasApprovedRoots = ({ settings, approvedRoots }: Pick<Approved, "settings" | "approvedRoots">): boolean =>
  JSON.stringify(settings.roots ?? null) === JSON.stringify(approvedRoots);

/** Whether what would run, and what it is told to work in, is what was approved. */
export const isApproved = (record: Approved): boolean => record.approvedLaunchHash === record.launchHash && hasApprovedRoots(record);

/** The settings as the server meets them: with the roots that are approved. */
export const settingsInForce = ({ settings, approvedRoots }: Pick<Approved, "settings" | "approvedRoots">): ServerSettings => ({
  ...settings,
  roots: approvedRoots === null ? undefined : [...approvedRoots],
});

function confinementOf(launch: Launch): McpServer["confinement"] {
  if (launch.transport === "http") return "remote";
  return launch.sandbox ? "sandboxed" : "unconfined";
}

/** A server as callers see it. */
export function viewServer(record: ServerRecord, toolCount: number): McpServer {
  const { id, name, description, environment, launch, desired, state, protocolVersion, serverVersion, lastError, pid, restarts } = record;
  return {
    id,
    name,
    description,
    environment,
    launch: maskLaunch(launch),
    warnings: [...launchWarnings(launch), ...scriptWarnings(launch, record.launchHash)],
    settings: record.settings,
    launchApproved: isApproved(record),
    launchHash: record.launchHash,
    approvedRoots: record.approvedRoots && [...record.approvedRoots],
    desired,
    state,
    confinement: confinementOf(launch),
    protocolVersion,
    era: record.era && { era: record.era.era, protocolVersion: record.era.protocolVersion, decidedAt: record.era.decidedAt },
    serverVersion,
    toolCount,
    lastError,
    pid,
    startedAt: record.startedAt?.toISOString() ?? null,
    restarts,
    quarantine: record.quarantine,
    health: record.health,
    nextAttemptAt: record.nextAttemptAt?.toISOString() ?? null,
    createdAt: record.createdAt.toISOString(),
    updatedAt: record.updatedAt.toISOString(),
  };
}

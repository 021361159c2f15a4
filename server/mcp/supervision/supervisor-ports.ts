import type { Quarantine } from "#contract/mcp/health.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Connect } from "../connection/connect.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import type { Timings } from "./timings.ts";

export type ApprovedLaunch = {
  /** Of a stdio server: the executable whose bytes were approved. */
  file: string | undefined;
  hashes: Pick<ServerRecord, "launchHash" | "approvedLaunchHash">;
};

/** What a supervised server needs of the rest of the slice. */
export type SupervisorPorts = {
  /** Rejects with `launch_not_approved` unless exactly this launch, as it would run now, has been approved. */
  checkLaunch(server: ServerRecord): Promise<ApprovedLaunch>;
  /** Rejects with an `AppError`; nothing is left running then. */
  connect: Connect;
  /** The server and its tools as they are stored now. Rejects with `mcp_server_unknown` when it was deleted. */
  reload(server: ServerRecord): Promise<{ record: ServerRecord; tools: readonly PinnedTool[]; isPinned: boolean }>;
  /** Writes the state and announces it; the last state written is the last one there was. Never rejects, and does not wait for a database that is gone. */
  saveState(server: ServerRecord): Promise<void>;
  /** Writes why the server is taken out, and audits it. Resolves when that is stored, however long it takes. */
  saveQuarantine(server: ServerRecord, quarantine: Quarantine): Promise<void>;
  /** Writes what its checks have shown. Never rejects. */
  saveHealth(server: ServerRecord): Promise<void>;
  /** Whether this process is the one of the cluster that asks what one is enough to ask. */
  leads(): boolean;
  /** Whether other processes run the same servers: the end of this one's then says nothing about the server. */
  isShared: boolean;
  /** Servers start when somebody asks something of them, not by themselves. */
  onDemand: boolean;
  /** A line for the server's log. */
  note(server: ServerRecord, text: string): void;
  redact(text: string): string;
  log: Log;
  timings: Timings;
  random: () => number;
  now: () => Date;
};

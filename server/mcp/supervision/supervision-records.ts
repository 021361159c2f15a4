import type { Quarantine } from "#contract/mcp/health.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, LiveBus, Redactor } from "#server/kernel/ports.ts";
import type { WorkflowsUsing } from "../catalogue/review-tools.ts";
import { createSaveCatalogue } from "../catalogue/save-catalogue.ts";
import { createToolNews } from "../catalogue/tool-news.ts";
import type { ProcessJournal } from "../process/process-journal.ts";
import type { CataloguePorts } from "../catalogue/server-catalogue.ts";
import type { ServerLogs } from "./server-logs.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { findServer, saveHealth, saveQuarantine, saveState } from "../registration/servers.pg.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";
import type { Timings } from "./timings.ts";
import { toolsOfServer } from "../catalogue/tools.pg.ts";

export type SupervisionDeps = {
  database: Database;
  audit: Audit;
  live: LiveBus;
  log: Log;
  redactor: Redactor;
  logs: ServerLogs;
  processes: ProcessJournal;
  checkLaunch: SupervisorPorts["checkLaunch"];
  connect: SupervisorPorts["connect"];
  workflowsUsing: WorkflowsUsing;
  newId: () => string;
  now: () => Date;
  random: () => number;
  timings: Timings;
  /** Whether other processes run the same servers. */
  isShared: boolean;
  /** Servers start when somebody asks something of them, not with the platform. */
  onDemand: boolean;
  leads: () => boolean;
};

export function supervisorPorts(deps: SupervisionDeps): SupervisorPorts {
  const { checkLaunch, connect, logs, redactor, log, timings, random, now, isShared, onDemand, leads } = deps;
  return {
    checkLaunch,
    connect,
    reload: (server) => reload(deps, server),
    saveState: (server) => persistState(deps, server),
    saveQuarantine: (server, quarantine) => recordQuarantine(deps, server, quarantine),
    saveHealth: (server) => persistHealth(deps, server),
    leads,
    isShared,
    onDemand,
    note: (server, text) => logs.add(server, "event", text),
    redact: (text) => redactor.text(text),
    log,
    timings,
    random,
    now,
  };
}

const reload = ({ database }: SupervisionDeps, { id, tenantId, name }: ServerRecord) =>
  database.asTenant(tenantId, async (tx) => {
    const found = await findServer(tx, id);
    if (!found) throw new AppError("mcp_server_unknown", `The server ${name} was deleted.`);
    return { record: found.record, tools: await toolsOfServer(tx, id), isPinned: found.record.cataloguePinned };
  });

/** Writes a state and announces it; what cannot be written is logged. */
export async function persistState({ database, live, logs, log }: SupervisionDeps, server: ServerRecord): Promise<void> {
  const { id, tenantId, state } = server;
  logs.add(server, "event", state);
  await database
    .asTenant(tenantId, (tx) => saveState(tx, server))
    .catch((error: unknown) => log.error("a server's state was not stored", { serverId: id, state, error }));
  live.publish(tenantId, { type: "mcp_server", serverId: id, state });
}

async function recordQuarantine(
  { database, audit, log }: SupervisionDeps,
  { id, tenantId }: ServerRecord,
  quarantine: Quarantine,
): Promise<void> {
  const { reason, by: actor } = quarantine;
  const entry = { tenantId, actor, action: "mcp_server.quarantined", target: `mcp_server:${id}`, reason } as const;
  await database
    .asTenant(tenantId, async (tx) => {
      if (await saveQuarantine(tx, id, quarantine)) await audit.record(tx, entry);
    })
    .catch((error: unknown) => log.error("a quarantine was not stored", { serverId: id, error }));
}

async function persistHealth({ database, log }: SupervisionDeps, { id, tenantId, health }: ServerRecord): Promise<void> {
  await database
    .asTenant(tenantId, (tx) => saveHealth(tx, id, health))
    .catch((error: unknown) => log.warn("a server's health was not stored", { serverId: id, error }));
}

export function cataloguePorts(deps: SupervisionDeps): CataloguePorts {
  const { database, audit, logs, newId } = deps;
  return {
    newId,
    note: (server, text) => logs.add(server, "event", text),
    saveCatalogue: createSaveCatalogue({ database, audit, news: createToolNews(deps) }),
  };
}

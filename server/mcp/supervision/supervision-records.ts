import type { Quarantine } from "#contract/mcp/health.ts";
import { AppError } from "#server/kernel/errors.ts";
import type { Log } from "#server/kernel/log.ts";
import type { Audit, AuditRecord, Database, LiveBus, Redactor } from "#server/kernel/ports.ts";
import type { CatalogueChange } from "../catalogue/catalogue.ts";
import type { WorkflowsUsing } from "../catalogue/review-tools.ts";
import { createToolNews } from "../catalogue/tool-news.ts";
import type { ProcessJournal } from "../process/process-journal.ts";
import type { CataloguePorts } from "../catalogue/server-catalogue.ts";
import type { ServerLogs } from "./server-logs.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { findServer, markPinned, saveHealth, saveQuarantine, saveState } from "../registration/servers.pg.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";
import type { Timings } from "./timings.ts";
import { neighboursOf, saveTool, toolsOfServer } from "../catalogue/tools.pg.ts";

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
    return { record: found.record, tools: await toolsOfServer(tx, id) };
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
  const { database, logs, newId } = deps;
  const news = createToolNews(deps);
  return {
    newId,
    note: (server, text) => logs.add(server, "event", text),
    neighbours: ({ tenantId, id, environment }) => database.asTenant(tenantId, (tx) => neighboursOf(tx, { id, environment })),
    saveCatalogue: async (server, changes, isFirst) => {
      const told = changes.map(({ kind, tool: { id, name } }) => ({ id, name, change: kind }));
      const workflows = await news.affected(server, told);
      await storeCatalogue(deps, { server, changes, isFirst, workflows });
      if (told.length > 0) news.tell(server, told, workflows);
    },
  };
}

type Catalogue = {
  server: ServerRecord;
  changes: readonly CatalogueChange[];
  isFirst: boolean;
  workflows: ReadonlyMap<string, readonly string[]>;
};

const storeCatalogue = ({ database, audit }: SupervisionDeps, { server, changes, isFirst, workflows }: Catalogue): Promise<void> =>
  database.asTenant(server.tenantId, async (tx) => {
    const { tenantId, id: serverId, createdBy: by } = server;
    for (const { tool } of changes) await saveTool(tx, { tenantId, serverId, tool, by });
    if (isFirst) await markPinned(tx, serverId);
    for (const change of changes) if (isNews(change)) await audit.record(tx, changeRecord(server, change, workflows.get(change.tool.id)));
    const pinned = changes.filter(({ kind, tool }) => kind === "new" && tool.approval === "approved");
    if (pinned.length === 0) return;
    const details = { tools: pinned.map(({ tool }) => tool.name), hashes: pinned.map(({ tool }) => tool.hash) };
    await audit.record(tx, { tenantId, actor: by, action: "mcp_tool.approved", target: `mcp_server:${serverId}`, details });
  });

const isNews = ({ kind, tool }: CatalogueChange): boolean =>
  kind === "changed" || kind === "reverted" || (kind === "new" && tool.approval !== "approved");

function changeRecord(server: ServerRecord, { kind, tool }: CatalogueChange, workflows: readonly string[] = []): AuditRecord {
  const { name, hash, approval, findings } = tool;
  return {
    tenantId: server.tenantId,
    actor: "system:mcp",
    action: `mcp_tool.${kind === "new" ? "found" : kind}`,
    target: `mcp_tool:${tool.id}`,
    details: { name, hash, approval, findings: [...findings], ...(workflows.length > 0 && { workflows: [...workflows] }) },
  };
}

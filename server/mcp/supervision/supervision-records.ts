import type { Log } from "#server/kernel/log.ts";
import type { Audit, Database, LiveBus, Redactor } from "#server/kernel/ports.ts";
import type { WorkflowsUsing } from "../catalogue/review-tools.ts";
import { createSaveCatalogue } from "../catalogue/save-catalogue.ts";
import { createToolNews } from "../catalogue/tool-news.ts";
import type { ProcessJournal } from "../process/process-journal.ts";
import type { CataloguePorts } from "../catalogue/server-catalogue.ts";
import type { LateWrites } from "./late-writes.ts";
import type { ServerLogs } from "./server-logs.ts";
import { persistHealth, persistState, recordQuarantine, reload } from "./stored-state.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";
import type { Timings } from "./timings.ts";

export type SupervisionDeps = {
  database: Database;
  audit: Audit;
  live: LiveBus;
  log: Log;
  redactor: Redactor;
  logs: ServerLogs;
  writes: LateWrites;
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

export function cataloguePorts(deps: SupervisionDeps): CataloguePorts {
  const { database, audit, logs, newId } = deps;
  return {
    newId,
    note: (server, text) => logs.add(server, "event", text),
    saveCatalogue: createSaveCatalogue({ database, audit, news: createToolNews(deps) }),
  };
}

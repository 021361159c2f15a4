import { background, type Log } from "#server/kernel/log.ts";
import type { Database } from "#server/kernel/ports.ts";
import { findServer, registeredServers, type Registered } from "./servers.pg.ts";
import type { SupervisedServer } from "../supervision/supervised-server.ts";
import type { ServerRecord } from "./server-record.ts";
import type { Supervisor } from "../supervision/supervisor.ts";
import { toolsOfServer } from "../catalogue/tools.pg.ts";

type Deps = { database: Database; supervisor: Supervisor; log: Log; onDemand: boolean; everyMs: number };

/** Keeps what this process holds in step with what others have written. */
export type Follower = { start(): void; stop(): Promise<void> };

/**
 * Where several processes run the same servers, each looks every few seconds what people have asked of the others: approvals
 * and their loss, starts, stops, restarts, new servers and deleted ones. Whoever is asked writes first and acts then, so
 * what differs here from what is stored has been asked elsewhere. What is asked here while a look is under way is newer than what it has
 * read: the next look goes on from there.
 */
export function createFollower(deps: Deps): Follower {
  const toolsSeen = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  let isStopped = false;
  const schedule = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => (looking = look(deps, toolsSeen).finally(schedule)), deps.everyMs);
    timer.unref();
  };
  return {
    start: schedule,
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

async function look(deps: Deps, toolsSeen: Map<string, string>): Promise<void> {
  const { database, supervisor, log, onDemand } = deps;
  try {
    const before = supervisor.held().map((server) => ({ server, changes: server.changes }));
    const readAt = new Date();
    const rows = new Map((await database.asWorker(registeredServers)).map((row) => [row.id, row]));
    for (const { server, changes } of before) {
      const row = rows.get(server.record.id);
      if (row === undefined) forget(deps, server);
      else await follow(deps, { server, changes, row, toolsSeen, readAt });
    }
    for (const id of toolsSeen.keys()) if (!rows.has(id)) toolsSeen.delete(id);
    const held = new Set(supervisor.held().map(({ record }) => record.id));
    for (const { id, tenantId, desired } of rows.values()) {
      if (held.has(id) || desired !== "running") continue;
      const server = await supervisor.get(tenantId, id);
      if (!onDemand) begin(deps, server);
    }
  } catch (error) {
    log.warn("what others have done to the MCP servers could not be read; it is tried again", { error });
  }
}

type Followed = { server: SupervisedServer; changes: number; row: Registered; toolsSeen: Map<string, string>; readAt: Date };

async function follow(deps: Deps, followed: Followed): Promise<void> {
  const { onDemand } = deps;
  const { server, changes, row, readAt } = followed;
  await followTools(deps, followed);
  const isApproved = row.approvedLaunchHash !== server.record.approvedLaunchHash;
  const launch = isApproved ? await readLaunch(deps, server) : {};
  if (server.changes !== changes) return;
  const { record } = server;
  const { desired, startsAsked, restartsAsked, name, description, settings, approvedRoots, launchMakers } = row;
  const isRestarted = restartsAsked !== record.restartsAsked;
  const isStarted = startsAsked !== record.startsAsked || (desired === "running" && record.desired === "stopped");
  server.followQuarantine(row.quarantine, readAt);
  server.adopt({ ...launch, startsAsked, restartsAsked, name, description, settings, approvedRoots, launchMakers });
  if (desired === "stopped") {
    if (record.desired === "running") background(deps.log, "stopping an MCP server", () => server.stop());
    return;
  }
  server.adopt({ desired });
  if (row.quarantine !== null) return;
  const isUsed = !onDemand || record.state !== "STOPPED";
  if (!isUsed) return;
  const isUp = server.connection !== undefined || record.state === "STARTING";
  if (isUp && (isRestarted || isApproved)) again(deps, server);
  else if (isStarted || isRestarted || isApproved) begin(deps, server);
}

async function followTools({ database, log }: Deps, { server, row, toolsSeen }: Followed): Promise<void> {
  const { id, tenantId } = row;
  if (toolsSeen.get(id) === row.toolsMark) return;
  await server.catalogue.adopt(async () => {
    const tools = await database.asTenant(tenantId, (tx) => toolsOfServer(tx, id));
    return { tools, isPinned: row.isPinned };
  });
  const { launch, state } = server.record;
  // Where all processes speak with the same server, what one of them has found concerns the others' lists too: also the one
  // that is being read while this process connects.
  if (launch.transport !== "stdio") background(log, "list of an MCP server", () => server.refresh());
  if (launch.transport === "stdio" || state !== "STARTING") toolsSeen.set(id, row.toolsMark);
}

async function readLaunch({ database }: Deps, server: SupervisedServer): Promise<Partial<ServerRecord>> {
  const { id, tenantId } = server.record;
  const found = await database.asTenant(tenantId, (tx) => findServer(tx, id));
  if (!found) return {};
  const { launch, launchHash, approvedLaunchHash, catalogueTrusted } = found.record;
  return { launch, launchHash, approvedLaunchHash, catalogueTrusted };
}

function forget({ supervisor, log }: Deps, server: SupervisedServer): void {
  background(log, "ending a deleted MCP server", () => supervisor.remove(server));
}

/** A failure is part of the server's state. */
const begin = ({ log }: Deps, server: SupervisedServer): void =>
  background(log, "starting an MCP server", () => server.start().catch(() => {}));
const again = ({ log }: Deps, server: SupervisedServer): void =>
  background(log, "restarting an MCP server", () => server.restart().catch(() => {}));

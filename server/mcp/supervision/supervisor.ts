import { atMost } from "#server/kernel/at-most.ts";
import { AppError } from "#server/kernel/errors.ts";
import { background } from "#server/kernel/log.ts";
import type { PinnedTool } from "../catalogue/catalogue.ts";
import { ServerCatalogue } from "../catalogue/server-catalogue.ts";
import type { ServerRecord } from "../registration/server-record.ts";
import { allServers, findServer, findServerByName } from "../registration/servers.pg.ts";
import { followRuns } from "./run-sessions.ts";
import { SupervisedServer } from "./supervised-server.ts";
import type { SupervisorPorts } from "./supervisor-ports.ts";
import { persistState } from "./stored-state.ts";
import { cataloguePorts, supervisorPorts, type SupervisionDeps } from "./supervision-records.ts";
import { toolsOfServer } from "../catalogue/tools.pg.ts";

type Address = { tenantId: string; environment: string; name: string };

/** All servers that this instance owns. What it holds in memory is what calls are decided by. */
export type Supervisor = {
  /** Throws `not_found`, also for another tenant's server. */
  get(tenantId: string, id: string): Promise<SupervisedServer>;
  /** Undefined until the server has been looked up once. */
  known(address: Address): SupervisedServer | undefined;
  /** Undefined when there is no such server. */
  find(address: Address): Promise<SupervisedServer | undefined>;
  /** Those in memory. */
  held(): SupervisedServer[];
  add(record: ServerRecord): SupervisedServer;
  /** Forgets the server, also under the names that it had before, and ends what runs of it. */
  remove(server: SupervisedServer): Promise<void>;
  /** Loads all servers; ends orphans and, unless servers wait until they are asked for, starts what should run without being waited for. */
  start(): Promise<void>;
  /** Ends all process trees. */
  stop(): Promise<void>;
};

/** Servers that start at the same time when the platform does. */
const STARTS_AT_ONCE = 4;
/** The next ones do not wait longer for one that hangs. */
const START_PATIENCE_MS = 2_000;

export function createSupervisor(deps: SupervisionDeps): Supervisor {
  const { database, log } = deps;
  const inMemory = createMemory();
  const ports = cataloguePorts(deps);
  const { ofServers, clear } = clearFirst(deps);
  const sessions = followRuns({ live: deps.live, held: inMemory.all });
  const removed = new Set<Promise<void>>();
  let isStopping = false;

  const hold = (record: ServerRecord, tools: readonly PinnedTool[]): SupervisedServer => {
    const held = inMemory.get(record.id);
    if (held) {
      held.adopt({ name: record.name });
      return inMemory.put(held);
    }
    if (isStopping) throw new AppError("unavailable", "The platform is stopping.");
    const catalogue = new ServerCatalogue(ports, { tools, isPinned: record.cataloguePinned });
    const server = new SupervisedServer(ofServers, record, catalogue);
    sessions.watch(record.tenantId);
    return inMemory.put(server);
  };
  const load = async (record: ServerRecord): Promise<SupervisedServer> =>
    hold(atRest(record), await database.asTenant(record.tenantId, (tx) => toolsOfServer(tx, record.id)));
  return {
    async get(tenantId, id) {
      const held = inMemory.get(id);
      if (held?.record.tenantId === tenantId) return held;
      const found = held ? undefined : await database.asTenant(tenantId, (tx) => findServer(tx, id));
      if (!found) throw new AppError("not_found", `There is no MCP server ${id}.`);
      return load(found.record);
    },
    known: (address) => inMemory.at(address),
    async find(address) {
      const held = inMemory.at(address);
      if (held) return held;
      const found = await database.asTenant(address.tenantId, (tx) => findServerByName(tx, address.environment, address.name));
      return found && load(found.record);
    },
    held: inMemory.all,
    add: (record) => hold(record, []),
    remove(server) {
      inMemory.forget(server);
      const closing = server.close().finally(() => removed.delete(closing));
      removed.add(closing);
      return closing;
    },
    async start() {
      const cleared = clear();
      const records = await database.asWorker(allServers);
      const loaded = await Promise.all(records.map((record) => load(record)));
      const changed = deps.isShared ? [] : loaded.filter(({ record }, i) => record.state !== records[i]?.state);
      await Promise.all(changed.map(({ record }) => persistState(deps, record)));
      background(log, "start of MCP servers", () => cleared.then(() => startWanted(deps, inMemory.all(), () => isStopping)));
    },
    async stop() {
      isStopping = true;
      sessions.stop();
      await Promise.allSettled([...removed, ...inMemory.all().map((server) => server.close())]);
    },
  };
}

/** The servers in memory, by their ids and by the names that they have and had. */
function createMemory() {
  const byId = new Map<string, SupervisedServer>();
  const byAddress = new Map<string, SupervisedServer>();
  const keyOf = ({ tenantId, environment, name }: Address): string => `${tenantId}/${environment}/${name}`;
  return {
    all: () => [...byId.values()],
    get: (id: string) => byId.get(id),
    /** Undefined also under a name that the server had earlier. */
    at(address: Address): SupervisedServer | undefined {
      const held = byAddress.get(keyOf(address));
      return held?.record.name === address.name ? held : undefined;
    },
    put(server: SupervisedServer): SupervisedServer {
      byId.set(server.record.id, server);
      byAddress.set(keyOf(server.record), server);
      return server;
    },
    forget(server: SupervisedServer): void {
      byId.delete(server.record.id);
      for (const [key, held] of byAddress) if (held === server) byAddress.delete(key);
    },
  };
}

/** What an earlier incarnation wrote about its own processes is over. */
function atRest(record: ServerRecord): ServerRecord {
  if (record.quarantine !== null) return { ...record, state: "QUARANTINED", pid: null, startedAt: null, nextAttemptAt: null };
  const state = record.state === "FAILED" ? record.state : "STOPPED";
  // A failure is worth a new attempt after a restart, unless it was a person who has to act.
  const isRetried = state === "FAILED" && record.desired === "running" && record.lastError?.code !== "launch_not_approved";
  return { ...record, state: isRetried ? "STOPPED" : state, pid: null, startedAt: null, nextAttemptAt: null };
}

/**
 * Nothing is started before what earlier starts have left is ended: of a server that somebody asks for at once, there would be two. `clear`
 * ends it and never rejects.
 */
function clearFirst(deps: SupervisionDeps): { ofServers: SupervisorPorts; clear: () => Promise<void> } {
  let cleared: Promise<void> = Promise.resolve();
  const ports = supervisorPorts(deps);
  const ofServers: SupervisorPorts = { ...ports, reload: (server) => cleared.then(() => ports.reload(server)) };
  return { ofServers, clear: () => (cleared = endOrphans(deps)) };
}

async function endOrphans({ processes, log }: SupervisionDeps): Promise<void> {
  const ended = await processes.endOrphans().catch((error: unknown) => log.error("orphaned processes were not looked for", { error }));
  if (ended) log.warn("ended processes that an earlier start had left", { trees: ended });
}

async function startWanted(
  { log, onDemand }: SupervisionDeps,
  servers: readonly SupervisedServer[],
  isStopping: () => boolean,
): Promise<void> {
  if (onDemand) return;
  const wanted = servers.filter((server) => server.isComing && server.record.state === "STOPPED");
  const worker = async (): Promise<void> => {
    for (let server = wanted.shift(); server && !isStopping(); server = wanted.shift()) {
      // Somebody may have stopped it while it waited for its turn.
      if (!server.isComing) continue;
      const { name } = server.record;
      const starting = server.start().catch((error: unknown) => log.warn("an MCP server did not start", { name, error }));
      await atMost(START_PATIENCE_MS, starting);
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, worker));
}

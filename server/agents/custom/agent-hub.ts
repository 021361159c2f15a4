import type { WebSocket } from "ws";
import type { Database, LiveBus } from "#server/kernel/ports.ts";
import { AppError } from "#server/kernel/errors.ts";
import { background, type Log } from "#server/kernel/log.ts";
import { parseAgentToken } from "../agent.ts";
import { describeAgent, findTokenOwner, removeConnection, removeStaleConnections, touchConnections } from "../store.pg.ts";
import { AgentConnection, type AgentPrincipal, type Hello } from "./agent-connection.ts";
import { AgentPool } from "./agent-pool.ts";

export type HubTimes = {
  /** How long lost work waits for its agent to come back. */
  graceMs: number;
  /** How often each socket is pinged; one that has not answered by the next ping is dead. */
  heartbeatMs: number;
  /** How often tokens are checked again. */
  sweepMs: number;
};
export const HUB_TIMES: HubTimes = { graceMs: 10_000, heartbeatMs: 10_000, sweepMs: 3_000 };

type HubDeps = { database: Database; live: LiveBus; log: Log; newId: () => string; times: HubTimes };

const CLOSE_UNAUTHORISED = 4401;
const CLOSE_GOING_AWAY = 1001;

/** The sockets of custom agents on this node: who is connected, and the way to their pools. */
export class AgentHub {
  readonly #deps: HubDeps;
  readonly #pools = new Map<string, AgentPool>();
  readonly #connections = new Map<string, AgentConnection>();
  readonly #closing = new Set<Promise<void>>();
  #sweep: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(deps: HubDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#sweep ??= setInterval(
      () => background(this.#deps.log, "agent connection sweep", () => this.#checkAll()),
      this.#deps.times.sweepMs,
    );
    this.#sweep.unref();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    for (const connection of this.#connections.values()) connection.close(CLOSE_GOING_AWAY, "the platform is stopping");
    for (const pool of this.#pools.values()) pool.abandonAll(new AppError("unavailable", "The platform is stopping.", { retryable: true }));
    await Promise.all(this.#closing);
  }

  async authenticate(token: string): Promise<AgentPrincipal | undefined> {
    const parsed = parseAgentToken(token);
    if (!parsed) return undefined;
    const owner = await this.#deps.database.asTenant(parsed.tenantId, (tx) => findTokenOwner(tx, parsed.hash));
    return owner && { ...owner, tenantId: parsed.tenantId };
  }

  accept(socket: WebSocket, principal: AgentPrincipal): void {
    const { log, newId, times } = this.#deps;
    const connection = new AgentConnection({
      id: newId(),
      principal,
      socket,
      heartbeatMs: times.heartbeatMs,
      log: log.with({ agent: principal.name }),
      join: (hello) => this.#join(connection, hello),
      pool: () => this.poolOf(principal.agentId, principal.name),
      left: (wasOpen) => this.#leave(connection, wasOpen),
    });
    this.#connections.set(connection.id, connection);
    if (this.#isStopping) connection.close(CLOSE_GOING_AWAY, "the platform is stopping");
  }

  poolOf(agentId: string, name: string): AgentPool {
    const known = this.#pools.get(agentId);
    if (known) return known;
    const made = new AgentPool({ name, graceMs: this.#deps.times.graceMs });
    this.#pools.set(agentId, made);
    return made;
  }

  /** Forgets a pool that nobody uses, so that deleted agents do not stay in memory. */
  releasePool(agentId: string): void {
    if (this.#pools.get(agentId)?.isIdle) this.#pools.delete(agentId);
  }

  /** Ends this node's connections of an agent at once; other nodes notice by their sweep. */
  disconnect(agentId: string, reason: string): void {
    for (const connection of this.#connections.values()) {
      if (connection.principal.agentId === agentId) connection.close(CLOSE_UNAUTHORISED, reason);
    }
  }

  /** Ends its connections and everything that waits for it. */
  forget(agentId: string): void {
    this.disconnect(agentId, "the agent was deleted");
    this.#pools.get(agentId)?.abandonAll(new AppError("agent_unknown", "The agent was deleted."));
    this.releasePool(agentId);
  }

  /** Records the connection; false when the agent was deleted or the token revoked meanwhile. */
  async #join({ id, principal }: AgentConnection, hello: Hello): Promise<boolean> {
    const { tenantId, agentId, tokenId } = principal;
    const known = await this.#deps.database.asTenant(tenantId, async (tx) => {
      const agent = await describeAgent(tx, { id: agentId, skills: hello.skills, version: hello.version });
      if (!agent) return false;
      await removeStaleConnections(tx, agentId);
      return (await touchConnections(tx, [{ id, tokenId }])).has(id);
    });
    if (known) this.#deps.live.publish(tenantId, { type: "agent", agentId, status: "online" });
    return known;
  }

  #leave(connection: AgentConnection, wasOpen: boolean): void {
    this.#connections.delete(connection.id);
    this.releasePool(connection.principal.agentId);
    if (!wasOpen) return;
    const { tenantId, agentId, name } = connection.principal;
    const { live, log } = this.#deps;
    const done = this.#erase(connection)
      .then(({ othersOpen }) => {
        return othersOpen ? undefined : live.publish(tenantId, { type: "agent", agentId, status: "offline" });
      })
      .catch((error: unknown) => log.warn("a closed agent connection could not be recorded", { agent: name, error }))
      .finally(() => this.#closing.delete(done));
    this.#closing.add(done);
  }

  /** One statement per workspace with open connections: heartbeat and revocation check together. */
  async #checkAll(): Promise<void> {
    const open = [...this.#connections.values()].filter((connection) => connection.isOpen);
    for (const [tenantId, connections] of Map.groupBy(open, (connection) => connection.principal.tenantId)) {
      const rows = connections.map(({ id, principal }) => ({ id, tokenId: principal.tokenId }));
      const valid = await this.#deps.database.asTenant(tenantId, (tx) => touchConnections(tx, rows));
      for (const connection of connections) {
        // One that closed while it was being recorded has lost its record already: it must go again.
        if (!connection.isOpen) await this.#erase(connection);
        else if (!valid.has(connection.id)) connection.close(CLOSE_UNAUTHORISED, "the agent's token is no longer valid");
      }
    }
  }

  #erase({ id, principal: { tenantId, agentId } }: AgentConnection): Promise<{ othersOpen: boolean }> {
    return this.#deps.database.asTenant(tenantId, (tx) => removeConnection(tx, { id, agentId }));
  }
}
